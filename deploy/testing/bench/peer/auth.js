import bcrypt from "bcrypt";
import express from "express";
import jwt from "jsonwebtoken";

import { User } from "./models.js";

const SECRET = process.env.JWT_SECRET;
const ROUNDS = 10;

const tokenOf = (user) => jwt.sign({ id: user.id, role: user.role }, SECRET, { expiresIn: "12h" });

export const auth = express.Router();

auth.post("/signup", async (req, res) => {
  const { name, email, password } = req.body;
  if (!name || !email || !password || password.length < 8) {
    return res.status(400).json({ error: "name, email and a password of at least 8 characters are required" });
  }
  if (await User.findOne({ where: { email } })) {
    return res.status(409).json({ error: "this email is already registered" });
  }
  const user = await User.create({ name, email, password: await bcrypt.hash(password, ROUNDS) });
  res.status(201).json({ token: tokenOf(user), user: { id: user.id, name, email, role: user.role } });
});

auth.post("/login", async (req, res) => {
  const { email, password } = req.body;
  const user = await User.findOne({ where: { email: email ?? "" } });
  if (!user || !(await bcrypt.compare(password ?? "", user.password))) {
    return res.status(401).json({ error: "wrong email or password" });
  }
  res.json({ token: tokenOf(user), user: { id: user.id, name: user.name, email, role: user.role } });
});

/** Requires an access token. */
export function authenticate(req, res, next) {
  const [scheme, token] = (req.headers.authorization ?? "").split(" ");
  if (scheme !== "Bearer") {
    return res.status(401).json({ error: "an access token is required" });
  }
  try {
    req.user = jwt.verify(token, SECRET);
  } catch {
    return res.status(401).json({ error: "invalid access token" });
  }
  next();
}

/** Requires the access token of an admin. */
export const authorizeAdmin = [
  authenticate,
  (req, res, next) => (req.user.role === "admin" ? next() : res.status(403).json({ error: "admins only" })),
];

/** Creates the first admin. */
export async function ensureAdmin(email, password) {
  if (!(await User.findOne({ where: { email } }))) {
    await User.create({ name: "Admin", email, password: await bcrypt.hash(password, ROUNDS), role: "admin" });
  }
}
