// biome-ignore-all lint/a11y/useSemanticElements: a table's own elements can't be placed by a transform
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid has the focus, its rows never do
import { useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import {
  type KeyboardEvent,
  type MouseEvent,
  memo,
  type RefObject,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { useTranslation } from "react-i18next";
import { moved } from "./moving";
import classes from "./PeopleGrid.module.css";
import { Portrait } from "./Portrait";
import { heldBecause } from "./person";
import { TEXTS } from "./texts";
import { type Filters, type PersonInList, type usePeoplePages, wasLeft } from "./usePeoplePages";

const CARD_HEIGHT = 70;
const CARD_WIDTH = 250;

/** Where the grid was left: how far it was scrolled, and whose turn it was. */
let leftAt = { offset: 0, active: 0 };

/**
 * Everybody who was found, as cards in rows. Only the rows that show are in the page.
 *
 * The grid itself has the keyboard's focus and says which card is meant (`aria-activedescendant`):
 * a card that is scrolled away can't take the focus with it.
 */
export function PeopleGrid(props: {
  filters: Filters;
  people: ReturnType<typeof usePeoplePages>;
  gridRef: RefObject<HTMLDivElement | null>;
}) {
  const { t } = useTranslation(TEXTS);
  const id = useId();
  const navigate = useNavigate();
  const { people, gridRef, filters } = props;
  const { length, want, personAt } = people;
  const [width, setWidth] = useState(1000);
  const [begin] = useState(() => (wasLeft(filters) ? leftAt : { offset: 0, active: 0 }));
  const [active, setActive] = useState(begin.active);
  const columns = Math.max(1, Math.floor(width / CARD_WIDTH));
  const rows = Math.ceil(length / columns);

  const virtual = useVirtualizer({
    count: rows,
    getScrollElement: () => gridRef.current,
    estimateSize: () => CARD_HEIGHT,
    initialOffset: begin.offset,
    overscan: 4,
    useFlushSync: false,
  });

  useLayoutEffect(() => {
    const grid = gridRef.current;
    if (grid === null) return;
    const measure = () => setWidth(grid.clientWidth);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(grid);
    return () => observer.disconnect();
  }, [gridRef]);

  // Other filters begin at the top.
  const shown = useRef(filters);
  useEffect(() => {
    if (shown.current === filters) return;
    shown.current = filters;
    virtual.scrollToOffset(0);
    setActive(0);
  }, [filters, virtual]);

  const items = virtual.getVirtualItems();
  const first = (items[0]?.index ?? 0) * columns;
  const last = ((items.at(-1)?.index ?? 0) + 1) * columns - 1;
  useEffect(() => want(first, last), [want, first, last]);

  useEffect(
    () => () => {
      leftAt = { offset: virtual.scrollOffset ?? 0, active };
    },
    [virtual, active],
  );

  const open = (person: PersonInList | undefined) => {
    if (person) void navigate({ to: "/people/$person", params: { person: person.id } });
  };

  const press = (event: KeyboardEvent) => {
    if (event.key === "Enter") return open(personAt(active));
    const perView = Math.max(1, Math.floor((gridRef.current?.clientHeight ?? 0) / CARD_HEIGHT) - 1);
    const to = moved(event.key, active, { columns, length, perView });
    if (to === undefined) return;
    event.preventDefault();
    setActive(to);
    virtual.scrollToIndex(Math.floor(to / columns));
  };

  // One listener for all cards; with a modifier key the browser opens a tab, as with any link.
  const click = (event: MouseEvent<HTMLElement>) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const card = (event.target as HTMLElement).closest<HTMLElement>("[data-row]");
    if (card === null) return;
    event.preventDefault();
    const row = Number(card.dataset.row);
    setActive(row);
    open(personAt(row));
  };

  return (
    <div
      ref={gridRef}
      role="grid"
      aria-label={t("list.label")}
      aria-rowcount={people.known.total === undefined ? -1 : rows}
      aria-colcount={columns}
      aria-busy={people.isOld || people.query.isPending}
      aria-activedescendant={personAt(active) ? `${id}-${active}` : undefined}
      tabIndex={0}
      className={people.isOld ? `${classes.scroller} ${classes.old}` : classes.scroller}
      onKeyDown={press}
      onClick={click}
    >
      <div role="rowgroup" className={classes.sizer} style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => (
          <div
            key={item.key}
            role="row"
            aria-rowindex={item.index + 1}
            className={classes.row}
            style={{
              height: CARD_HEIGHT,
              transform: `translateY(${item.start}px)`,
              gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`,
            }}
          >
            {Array.from({ length: columns }, (_, column) => {
              const row = item.index * columns + column;
              if (row >= length) return null;
              return (
                <Card
                  key={row}
                  id={`${id}-${row}`}
                  row={row}
                  person={personAt(row)}
                  isActive={row === active}
                />
              );
            })}
          </div>
        ))}
      </div>
    </div>
  );
}

/** Plain elements: hundreds of these come and go while somebody scrolls. */
const Card = memo(function Card(props: {
  id: string;
  row: number;
  person: PersonInList | undefined;
  isActive: boolean;
}) {
  const { t } = useTranslation(TEXTS);
  const { person } = props;
  const name = props.isActive ? classes.active : undefined;
  if (person === undefined) {
    return (
      <div role="gridcell" id={props.id} className={name}>
        <div className={classes.card} aria-hidden>
          <span className={classes.portrait} />
          <div className={classes.waiting} />
        </div>
      </div>
    );
  }
  const photos = t("list.photos", { count: person.photos });
  const state = heldBecause(person) ?? (person.active ? undefined : "inactive");
  return (
    <div role="gridcell" id={props.id} className={name} data-row={props.row}>
      <a className={classes.card} href={`/people/${person.id}`} tabIndex={-1}>
        <Portrait face={person.portrait} className={classes.portrait} later />
        <div className={classes.texts}>
          <div className={classes.name}>
            <bdi>{person.name || t("common:unnamed")}</bdi>
          </div>
          <div className={classes.below}>
            {person.external_id ? <bdi>{person.external_id}</bdi> : t("list.no_external_id")}
          </div>
          <div className={classes.below}>
            {state === undefined ? (
              photos
            ) : (
              <>
                <span className={classes.state}>{t(`state.${state}`)}</span> · {photos}
              </>
            )}
          </div>
        </div>
      </a>
    </div>
  );
});
