// Keyboard navigation through cards.

/** Makes the arrow keys move between cards, Enter open one, M search for similar items, L like and U unlike one. */
export function installKeys(root, { searchSimilar, leave }) {
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
    const to = neighbor(card, event.key);
    if (to) {
      event.preventDefault();
      to.focus();
    } else if (event.key === "ArrowUp") leave();
    else if (event.target !== card) return;
    else if (event.key === "Enter") card.querySelector(".frame:is(button), .play, .start, .jump, summary")?.click();
    else if (event.key === "m" || event.key === "M") searchSimilar(card.dataset.key);
    else if (event.key === "l" || event.key === "L") card.querySelector("[data-example=like]")?.click();
    else if (event.key === "u" || event.key === "U") card.querySelector("[data-example=unlike]")?.click();
  });
}

/** Returns the card to the left or right, or the nearest one in the row above or below. */
function neighbor(card, key) {
  const all = [...card.parentElement.children];
  const index = all.indexOf(card);
  if (key === "ArrowRight") return all[index + 1];
  if (key === "ArrowLeft") return all[index - 1];
  if (key !== "ArrowDown" && key !== "ArrowUp") return null;
  const isDown = key === "ArrowDown";
  const here = card.getBoundingClientRect();
  const beyond = (isDown ? all.slice(index + 1) : all.slice(0, index).reverse()).map((one) => [
    one,
    one.getBoundingClientRect(),
  ]);
  const row = beyond.find(([, box]) => (isDown ? box.top > here.top + 1 : box.top < here.top - 1))?.[1].top;
  const inRow = beyond.filter(([, box]) => row !== undefined && Math.abs(box.top - row) < 2);
  inRow.sort(([, one], [, other]) => Math.abs(one.left - here.left) - Math.abs(other.left - here.left));
  return inRow[0]?.[0];
}
