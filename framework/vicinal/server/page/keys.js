// Going through cards without a mouse.

/** Lets the arrow keys go through the cards, Enter open one, and M look for more like it. */
export function installKeys(root, { similar, leave }) {
  root.addEventListener("keydown", (event) => {
    const card = event.target.closest?.(".card");
    if (
      !card ||
      event.target.closest("input, textarea, select, video, [role=slider]") ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey
    )
      return;
    const to = neighbour(card, event.key);
    if (to) {
      event.preventDefault();
      to.focus();
    } else if (event.key === "ArrowUp") leave();
    else if (event.target !== card) return;
    else if (event.key === "Enter") card.querySelector(".frame:is(button), .play, .start, .jump, summary")?.click();
    else if (event.key === "m" || event.key === "M") similar(card.dataset.key);
  });
}

/** The card to the left or right, or the nearest one in the row above or below. */
function neighbour(card, key) {
  const all = [...card.parentElement.children];
  const at = all.indexOf(card);
  if (key === "ArrowRight") return all[at + 1];
  if (key === "ArrowLeft") return all[at - 1];
  if (key !== "ArrowDown" && key !== "ArrowUp") return null;
  const down = key === "ArrowDown";
  const here = card.getBoundingClientRect();
  const beyond = (down ? all.slice(at + 1) : all.slice(0, at).reverse()).map((one) => [
    one,
    one.getBoundingClientRect(),
  ]);
  const row = beyond.find(([, box]) => (down ? box.top > here.top + 1 : box.top < here.top - 1))?.[1].top;
  const inRow = beyond.filter(([, box]) => row !== undefined && Math.abs(box.top - row) < 2);
  inRow.sort(([, one], [, other]) => Math.abs(one.left - here.left) - Math.abs(other.left - here.left));
  return inRow[0]?.[0];
}
