export const About = () => <p class="state">About</p>;
