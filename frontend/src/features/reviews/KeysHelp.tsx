import { Kbd, Modal, Table } from "@mantine/core";
import { useTexts } from "./texts";

const KEYS = [
  [["S"], "same"],
  [["D"], "different"],
  [["U"], "unsure"],
  [["N"], "skip"],
  [["Z"], "undo"],
  [["1", "…", "9"], "digits"],
  [["[", "]"], "photos"],
  [["+", "-", "0"], "zoom"],
  [["←", "→", "↑", "↓"], "pan"],
  [["W"], "whole"],
  [["T"], "note"],
  [["A"], "assign"],
  [["?"], "help"],
] as const;

/** What each key does. */
export function KeysHelp({ isOpen, close }: { isOpen: boolean; close: () => void }) {
  const { t } = useTexts();
  return (
    <Modal opened={isOpen} onClose={close} title={t("keys.title")}>
      <Table verticalSpacing={4}>
        <Table.Tbody>
          {KEYS.map(([keys, what]) => (
            <Table.Tr key={what}>
              <Table.Td w={130}>
                {keys.map((key) => (key === "…" ? " … " : <Kbd key={key}>{key}</Kbd>))}
              </Table.Td>
              <Table.Td>{t(`keys.${what}`)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Modal>
  );
}
