// Building and changing the page. Text goes in as text nodes only: what a sender writes is shown,
// never parsed.

const SVG = "http://www.w3.org/2000/svg";
const calm = matchMedia("(prefers-reduced-motion: reduce)");

function make(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  // Strings become text nodes.
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** An HTML element. */
export function h(tag, attributes = {}, ...children) {
  return make(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function s(tag, attributes = {}, ...children) {
  return make(document.createElementNS(SVG, tag), attributes, children);
}

/** The element of that id, which the page has. */
export function byId(id) {
  return document.getElementById(id);
}

/** Sets the text of an element; true where it was another one. */
export function setText(element, text) {
  if (element.textContent === text) return false;
  element.textContent = text;
  return true;
}

/** Sets a number that is shown, and lets a change be seen for a moment. */
export function setNumber(element, text) {
  const before = element.textContent;
  if (!setText(element, text) || before === "" || calm.matches) return;
  // No style attribute is written: the policy of the page forbids inline style.
  element.animate?.(
    [{ backgroundColor: "var(--flash)" }, { backgroundColor: "transparent" }],
    { duration: 900, easing: "ease-out" },
  );
}

/** Makes the children of a parent exactly these, moving only what is out of place. */
export function arrange(parent, children) {
  let at = parent.firstChild;
  for (const child of children) {
    if (child === at) at = at.nextSibling;
    else parent.insertBefore(child, at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}
