// The store that https://www.npmjs.com/package/express and https://sequelize.org suggest: one process, no cache.
import express from "express";

import { auth, ensureAdmin } from "./auth.js";
import { cart } from "./cart.js";
import { sequelize } from "./models.js";
import { orders } from "./orders.js";
import { products } from "./products.js";

const app = express();
app.use(express.json());
app.get("/readyz", (req, res) => res.end());
app.use("/auth", auth);
app.use("/products", products);
app.use("/cart", cart);
app.use(orders);
app.use((error, req, res, next) => {
  console.error(error);
  res.status(error.status ?? 500).json({ error: "something went wrong" });
});

await sequelize.sync();
await ensureAdmin(process.env.ADMIN_EMAIL, process.env.ADMIN_PASSWORD);
const server = app.listen(Number(process.env.PORT), "127.0.0.1");
process.on("SIGTERM", () => {
  server.close(() => sequelize.close());
  server.closeAllConnections();
});
