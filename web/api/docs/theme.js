// The page follows the reader's light or dark setting.
document.addEventListener("DOMContentLoaded", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const page = document.querySelector("rapi-doc");
  const set = () => page.setAttribute("theme", dark.matches ? "dark" : "light");
  dark.addEventListener("change", set);
  set();
});
