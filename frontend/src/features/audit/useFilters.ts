import { useNavigate, useSearch } from "@tanstack/react-router";
import { type Filters, filled } from "./filters";

/** The filters in the address, and how to change some of them. */
export function useFilters(): { filters: Filters; set: (more: Filters) => void } {
  const filters = useSearch({ strict: false }) as Filters;
  const navigate = useNavigate();
  const set = (more: Filters) =>
    void navigate({ to: "/logs", search: filled({ ...filters, ...more }), replace: true });
  return { filters, set };
}
