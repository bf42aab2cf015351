// Shows what the server sends, and keeps what the reader was doing: where the focus is, and what is unfolded.
"use strict";

const content = document.getElementById("content");
const connection = document.getElementById("connection");
const events = new EventSource(content.dataset.live);

// What is pressed must still be there when it is let go.
let pressed = false;
let waiting = null;
addEventListener("pointerdown", () => { pressed = true; });
for (const end of ["pointerup", "pointercancel"]) {
  addEventListener(end, () => {
    pressed = false;
    // The click comes first.
    setTimeout(() => {
      if (waiting !== null && !pressed) {
        show(waiting);
      }
    });
  });
}

events.onmessage = (event) => {
  if (pressed) {
    waiting = event.data;
  } else {
    show(event.data);
  }
};

function show(data) {
  waiting = null;
  const focused = document.activeElement && document.activeElement.id;
  const unfolded = [...content.querySelectorAll("details[open]")].map((each) => each.id);
  const scrolled = [...content.querySelectorAll(".drawing, .scrolls")].map((each) => each.scrollLeft);
  content.innerHTML = data;
  unfolded.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
  [...content.querySelectorAll(".drawing, .scrolls")].forEach((each, place) => {
    each.scrollLeft = scrolled[place] || 0;
  });
  if (focused) {
    document.getElementById(focused)?.focus({ preventScroll: true });
  }
}
events.onopen = () => { connection.textContent = ""; };
events.onerror = () => { connection.textContent = "not connected: trying again"; };

// The token comes with the address that was printed, or is entered; a tab keeps it until it is closed.
const token = document.getElementById("token");
if (token) {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);
  }
  token.value = sessionStorage.getItem("token") || "";
  token.form.addEventListener("submit", () => sessionStorage.setItem("token", token.value));
}
