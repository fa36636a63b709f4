// Removing items from a list of cards: a card is hidden at once, its item deleted once it is too late to undo.

import * as api from "./api.js";
import { showToast } from "./dialogs.js";

const deletions = new Set();

/** Waits for deletions that are on their way, so that what is then listed is without them. */
export const settleDeletions = () => Promise.allSettled([...deletions]);

/** Creates the removals of a view; `root` holds the cards. Returns {remove(key), finish()}. */
export function createRemovals(root, solution, onRemoved) {
  const pending = new Set();

  function remove(key) {
    const card = [...root.querySelectorAll(".card")].find((one) => one.dataset.key === key);
    if (!card || card.hidden) return;
    const next = card.nextElementSibling ?? card.previousElementSibling;
    card.hidden = true;
    next?.focus();
    const undo = () => {
      pending.delete(removal);
      card.hidden = false;
      card.focus();
    };
    const done = async () => {
      pending.delete(removal);
      const deletion = api.deleteItem(solution.name, key);
      deletions.add(deletion);
      try {
        await deletion;
        card.remove();
        onRemoved();
      } catch (error) {
        card.hidden = false;
        showToast(`${key} was not removed: ${error.message}`, { isBad: true });
      } finally {
        deletions.delete(deletion);
      }
    };
    const removal = showToast(`Removed ${key}`, { undo, done });
    pending.add(removal);
  }

  /** Deletes what waits to be undone, as when the view is left. */
  function finish() {
    for (const removal of [...pending]) removal.finish();
  }
  return { remove, finish };
}
