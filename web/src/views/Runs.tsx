export const Runs = () => <p class="state">Runs</p>;
