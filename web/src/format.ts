// Numbers and names as text.

const wholeNumber = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
export const count = (n: number) => wholeNumber.format(n);
export const percent = (share: number | null) => {
  if (share === null) return "–";
  const value = 100 * share;
  if (value > 0 && value < 0.95) return value < 0.1 ? "<0.1%" : `${value.toFixed(1)}%`;
  return `${Math.round(value)}%`;
};
export const signed = (value: number, digits = 2) => {
  const size = Math.abs(value).toFixed(digits);
  if (Number(size) === 0) return size;
  return `${value < 0 ? "−" : "+"}${size}`;
};
/** A name inside a longer string, isolated so that its writing direction does not affect the rest. */
export const isolated = (name: string) => `\u2068${name}\u2069`;
export const pValue = (p: number) => (p < 0.001 ? "< 0.001" : p.toFixed(3));
export const seconds = (s: number) =>
  s < 90 ? `${s < 10 ? s.toFixed(1) : Math.round(s)} s` : `${Math.round(s / 60)} min`;
export const plural = (n: number, one: string, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
