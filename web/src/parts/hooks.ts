// Hooks for fetched data, the size of an element and the width of the page.
import { useEffect, useRef, useState } from "preact/hooks";
import { errorMessage } from "../model";

export interface Fetched<T> {
  data: T | null;
  error: string;
  loading: boolean;
}

/** The result of `load`, loaded again when a dependency changes; the old result stays until the new one is there. */
export function useFetched<T>(load: () => Promise<T>, dependencies: unknown[]): Fetched<T> {
  const [state, setState] = useState<Fetched<T>>({ data: null, error: "", loading: true });
  useEffect(() => {
    let current = true;
    setState((old) => ({ ...old, loading: true, error: "" }));
    load().then(
      (data) => current && setState({ data, error: "", loading: false }),
      (error) => current && setState({ data: null, error: errorMessage(error), loading: false }),
    );
    return () => {
      current = false;
    };
  }, dependencies);
  return state;
}

export function useSize<E extends HTMLElement>() {
  const element = useRef<E>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    if (!element.current) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setSize({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return [element, size] as const;
}

function useMedia(media: MediaQueryList): boolean {
  const [matches, setMatches] = useState(media.matches);
  useEffect(() => {
    const read = () => setMatches(media.matches);
    media.addEventListener("change", read);
    return () => media.removeEventListener("change", read);
  }, []);
  return matches;
}
const twoPanes = matchMedia("(min-width: 900px)"); // as in the style sheet
const columns = matchMedia("(min-width: 1181px)");
/** Whether the page is wide enough for two panes. */
export const useFitsTwoPanes = () => useMedia(twoPanes);
/** Whether the table of texts has room for columns of the source. */
export const useFitsColumns = () => useMedia(columns);
