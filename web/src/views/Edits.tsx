export const Edits = () => <p class="state">Edits</p>;
