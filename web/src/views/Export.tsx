export const Export = () => <p class="state">Export</p>;
