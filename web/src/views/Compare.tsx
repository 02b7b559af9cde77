export const Compare = () => <p class="state">Compare</p>;
