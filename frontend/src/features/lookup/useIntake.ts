import { useEffect, useRef, useState } from "react";
import { type Dropped, filesOf, hasFiles } from "./files";

/** Whether a dialog lies over the page: then the page's keys aren't meant. */
function isCovered(): boolean {
  return document.querySelector('[role="dialog"]') !== null;
}

/**
 * Takes files dropped anywhere on the page, pasted anywhere, and Escape. Whether something is being
 * dragged over the page.
 */
export function useIntake(take: (dropped: Dropped) => void, clear: () => void): boolean {
  const [isOver, setOver] = useState(false);
  const act = useRef({ take, clear });
  useEffect(() => {
    act.current = { take, clear };
  });

  useEffect(() => {
    const over = (event: DragEvent) => {
      if (!hasFiles(event.dataTransfer)) return;
      // Else the browser would open the photo in place of the page.
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = (event: DragEvent) => {
      setOver(false);
      if (event.dataTransfer === null || !hasFiles(event.dataTransfer)) return;
      event.preventDefault();
      if (!isCovered()) act.current.take(filesOf(event.dataTransfer));
    };
    const paste = (event: ClipboardEvent) => {
      if (event.clipboardData === null || !hasFiles(event.clipboardData) || isCovered()) return;
      event.preventDefault();
      act.current.take(filesOf(event.clipboardData));
    };
    const key = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.defaultPrevented && !isCovered()) act.current.clear();
    };
    window.addEventListener("dragover", over);
    window.addEventListener("dragleave", leave);
    window.addEventListener("drop", drop);
    window.addEventListener("paste", paste);
    // Before a dialog hears it: once that has closed itself, nothing would show that it was there.
    window.addEventListener("keydown", key, true);
    return () => {
      window.removeEventListener("dragover", over);
      window.removeEventListener("dragleave", leave);
      window.removeEventListener("drop", drop);
      window.removeEventListener("paste", paste);
      window.removeEventListener("keydown", key, true);
    };
  }, []);
  return isOver;
}
