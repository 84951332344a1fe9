// Six boxes for six digits: typing moves on, Backspace moves back, arrows move, and a pasted code fills them all.

/**
 * Binds the boxes in `field`. `value()` is what is in them; `hold(true)` keeps it while it is judged; `clear()`
 * empties them and goes to the first.
 */
export function sixDigits(field) {
  const boxes = [...field.querySelectorAll("input")];

  function spread(from, text) {
    if (boxes[from].readOnly) return;
    const digits = text.normalize("NFKC").replace(/[^0-9]/g, "");
    [...digits].slice(0, boxes.length - from).forEach((digit, index) => { boxes[from + index].value = digit; });
    boxes[Math.min(from + digits.length, boxes.length - 1)].focus();
  }

  boxes.forEach((box, index) => {
    box.addEventListener("focus", () => box.select());
    box.addEventListener("input", () => {
      const typed = box.value.normalize("NFKC");
      box.value = "";
      spread(index, typed);
    });
    box.addEventListener("paste", (event) => {
      event.preventDefault();
      const text = event.clipboardData.getData("text");
      spread(text.replace(/[^0-9]/g, "").length >= boxes.length ? 0 : index, text);
    });
    box.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: index - 1, ArrowRight: index + 1 }[event.key];
      if (to !== undefined && boxes[to]) {
        event.preventDefault();
        boxes[to].focus();
      } else if (event.key === "Backspace" && !box.value && index && !box.readOnly) {
        event.preventDefault();
        boxes[index - 1].value = "";
        boxes[index - 1].focus();
      }
    });
  });

  return {
    value: () => boxes.map((box) => box.value).join(""),
    hold(held) {
      for (const box of boxes) box.readOnly = held;
    },
    first: () => boxes.find((box) => !box.value) ?? boxes[0],
    clear() {
      for (const box of boxes) box.value = "";
      boxes[0].focus();
    },
  };
}
