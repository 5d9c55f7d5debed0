// Tables sort by the column whose heading is pressed: quantities by their value, in front of everything else.
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead th").forEach((heading, column) => {
    const button = document.createElement("button");
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) => {
        const [x, y] = [a.cells[column], b.cells[column]];
        const [quantity, other] = [x.dataset.sort, y.dataset.sort];
        if ((quantity === undefined) !== (other === undefined)) return quantity === undefined ? 1 : -1;
        const texts = () => x.textContent.localeCompare(y.textContent, undefined, { numeric: true });
        return (down ? -1 : 1) * (quantity === undefined ? texts() : quantity - other);
      };
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
    });
  });
}
// Nothing can be opened on paper.
const opened = [];
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    opened.push(details);
  }
});
window.addEventListener("afterprint", () => opened.splice(0).forEach((details) => (details.open = false)));
