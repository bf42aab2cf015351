// Shows what the server sends, and keeps what the reader was doing: where the focus is, and what is unfolded.
"use strict";

const content = document.getElementById("content");
const connection = document.getElementById("connection");
const events = new EventSource(content.dataset.live);

events.onmessage = (event) => {
  const focused = document.activeElement && document.activeElement.id;
  const unfolded = [...content.querySelectorAll("details[open]")].map((each) => each.id);
  const scrolled = [...content.querySelectorAll(".drawing, .scrolls")].map((each) => each.scrollLeft);
  content.innerHTML = event.data;
  unfolded.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
  [...content.querySelectorAll(".drawing, .scrolls")].forEach((each, place) => {
    each.scrollLeft = scrolled[place] || 0;
  });
  if (focused) {
    document.getElementById(focused)?.focus({ preventScroll: true });
  }
};
events.onopen = () => { connection.textContent = ""; };
events.onerror = () => { connection.textContent = "not connected: trying again"; };
