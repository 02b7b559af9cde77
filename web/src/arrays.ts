// Access to arrays whose lengths are known to agree.

/** The element at an index that exists by construction; throws a RangeError if it does not. */
export function elementAt<T>(array: ArrayLike<T>, index: number): T {
  const element = array[index];
  if (element === undefined) throw new RangeError(`There is no element ${index} of ${array.length}.`);
  return element;
}
