// Tests of the difference between two groups, for pages without a server.

/** The fewest texts that a tested group may have, as on the server (reports/compare.py). */
export const MIN_GROUP_SIZE = 2;
/** The corrected p below which a difference is reported as one. */
export const SIGNIFICANT = 0.05;

const LANCZOS = [
  676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** ln Γ(x), Lanczos' approximation with g = 7 (Press et al., Numerical Recipes, 6.1). */
function lnGamma(x: number): number {
  const t = x + 6.5;
  const sum = LANCZOS.reduce((total, value, k) => total + value / (x + k), 0.99999999999980993);
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/** The regularised incomplete beta function I_x(a, b) by its continued fraction (Numerical Recipes, 6.4). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front =
    Math.exp(a * Math.log(x) + b * Math.log(1 - x) + lnGamma(a + b) - lnGamma(a) - lnGamma(b)) / a;
  const away = (v: number) => (Math.abs(v) < 1e-300 ? 1e-300 : v);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < 300; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    fraction *= d * c;
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    const step = d * c;
    fraction *= step;
    if (Math.abs(step - 1) < 1e-12) break;
  }
  return front * fraction;
}

/** Two-sided p of Student's t. */
export const tTest = (t: number, df: number) => incompleteBeta(df / (df + t * t), df / 2, 0.5);

/** p-values corrected for the false discovery rate (Benjamini & Hochberg 1995); NaN counts as 1. */
export function adjustPValues(p: number[]): number[] {
  const descending = p
    .map((value, index) => ({ value: Number.isNaN(value) ? 1 : Math.min(Math.max(value, 0), 1), index }))
    .sort((a, b) => b.value - a.value);
  const adjusted = new Array<number>(p.length);
  let least = 1;
  descending.forEach(({ value, index }, position) => {
    least = Math.min(least, (value * p.length) / (p.length - position));
    adjusted[index] = least;
  });
  return adjusted;
}

function moments(values: number[]) {
  const n = values.length;
  const mean = values.reduce((a, b) => a + b, 0) / n;
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (n - 1);
  return { n, mean, variance };
}

const LEVEL = 1.959964; // of the normal distribution, for intervals of 95 %
// Groups that do not vary, up to rounding errors, are compared as if they had these variances, as on the server.
const MIN_VARIANCE = 1e-12;
const MIN_SQUARED_ERROR = 1e-18;

/**
 * The difference of two groups of at least two values: Cohen's d of a against b with its 95 % interval
 * (Hedges & Olkin 1985), and the p of Welch's t-test.
 */
export function compareGroups(a: number[], b: number[]) {
  const [one, two] = [moments(a), moments(b)];
  const difference = one.mean - two.mean;
  const pooled = ((one.n - 1) * one.variance + (two.n - 1) * two.variance) / (one.n + two.n - 2);
  const effect = difference / Math.sqrt(Math.max(pooled, MIN_VARIANCE));
  const spread = LEVEL * Math.sqrt((one.n + two.n) / (one.n * two.n) + effect ** 2 / (2 * (one.n + two.n)));
  const [shareA, shareB] = [one.variance / one.n, two.variance / two.n];
  const squaredError = Math.max(shareA + shareB, MIN_SQUARED_ERROR);
  const freedom =
    squaredError ** 2 /
    Math.max(shareA ** 2 / (one.n - 1) + shareB ** 2 / (two.n - 1), MIN_SQUARED_ERROR ** 2);
  const p = tTest(difference / Math.sqrt(squaredError), Math.max(freedom, 1));
  return { effect, low: effect - spread, high: effect + spread, p };
}
