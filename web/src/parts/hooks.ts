// Two small hooks: something fetched, and the size of an element.
import { useEffect, useRef, useState } from "preact/hooks";
import { errorMessage } from "../model";

export interface Fetched<T> {
  data: T | null;
  error: string;
  loading: boolean;
}

/** What `ask` answers; asked again when `about` changes; the old answer stays until the new one is there. */
export function useFetched<T>(ask: () => Promise<T>, about: unknown[]): Fetched<T> {
  const [state, setState] = useState<Fetched<T>>({ data: null, error: "", loading: true });
  useEffect(() => {
    let current = true;
    setState((old) => ({ ...old, loading: true, error: "" }));
    ask().then(
      (data) => current && setState({ data, error: "", loading: false }),
      (error) => current && setState({ data: null, error: errorMessage(error), loading: false }),
    );
    return () => {
      current = false;
    };
  }, about);
  return state;
}

export function useSize<E extends HTMLElement>() {
  const element = useRef<E>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    if (!element.current) return;
    const observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry.contentRect;
      setSize({ width, height });
    });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return [element, size] as const;
}

function useMedia(media: MediaQueryList): boolean {
  const [on, setOn] = useState(media.matches);
  useEffect(() => {
    const read = () => setOn(media.matches);
    media.addEventListener("change", read);
    return () => media.removeEventListener("change", read);
  }, []);
  return on;
}
const [twoPanes, columns] = [900, 1181].map((width) => matchMedia(`(min-width: ${width}px)`));
/** Whether the page is wide enough for two panes; the style sheet breaks at the same width. */
export const useFitsTwoPanes = () => useMedia(twoPanes);
/** Whether a table of texts has room for columns of the source. */
export const useFitsColumns = () => useMedia(columns);
