"use strict";

const pages = {
  "forgot-password": {
    title: "Forgot your password?",
    button: "Send a link",
    route: "/api/auth/password/forgot",
    field: { name: "email", label: "Email address", type: "email", autocomplete: "email" },
    done: "If there is an account with this address, a link is on its way to it.",
  },
  "reset-password": {
    title: "Set a new password",
    button: "Set the password",
    route: "/api/auth/password/reset",
    field: { name: "password", label: "New password", type: "password", autocomplete: "new-password" },
    done: "The password is set. You can sign in with it now.",
  },
  "verify-email": {
    title: "Confirm your email address",
    button: "Confirm",
    route: "/api/auth/email/verify",
    done: "The address is confirmed.",
  },
  "undo-email-change": {
    title: "Restore your email address",
    button: "Restore",
    route: "/api/auth/email/undo",
    done: "The address is restored, and all sessions have ended. Set a new password now.",
  },
};

const page = pages[location.pathname.split("/").pop()];
const token = new URLSearchParams(location.hash.slice(1)).get("token");
// Not kept in the history of the browser.
history.replaceState(null, "", location.pathname);

const form = document.querySelector("form");
const input = document.querySelector("input");
const status = document.querySelector("[role=status]");
document.title = page.title;
document.querySelector("h1").textContent = page.title;
document.querySelector("button").textContent = page.button;
if (page.field) {
  document.querySelector("span").textContent = page.field.label;
  Object.assign(input, { type: page.field.type, autocomplete: page.field.autocomplete });
} else {
  document.querySelector("label").remove();
}
form.hidden = false;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = token ? { token } : {};
  if (page.field) body[page.field.name] = input.value;
  status.textContent = "…";
  try {
    const response = await fetch(page.route, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (response.ok) {
      form.hidden = true;
      status.textContent = page.done;
    } else {
      status.textContent = (await response.json()).detail;
    }
  } catch {
    status.textContent = "The store cannot be reached. Try again.";
  }
});
