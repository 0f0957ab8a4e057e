import express from "express";

import { authorizeAdmin } from "./auth.js";
import { Category, Product } from "./models.js";

export const products = express.Router();

products.get("/", async (req, res) => {
  const limit = Math.min(Number(req.query.limit) || 20, 100);
  const page = Math.max(Number(req.query.page) || 1, 1);
  const items = await Product.findAll({
    include: Category,
    order: [["id", "DESC"]],
    limit,
    offset: (page - 1) * limit,
  });
  res.json({ items, page });
});

products.get("/:id", async (req, res) => {
  const product = await Product.findByPk(req.params.id, { include: Category });
  if (!product) {
    return res.status(404).json({ error: "there is no such product" });
  }
  res.json(product);
});

products.post("/", authorizeAdmin, async (req, res) => {
  const { name, price, description, quantity, CategoryId, imageUrl } = req.body;
  const product = await Product.create({ name, price, description, quantity, CategoryId, imageUrl });
  res.status(201).json(product);
});

products.put("/:id", authorizeAdmin, async (req, res) => {
  const product = await Product.findByPk(req.params.id);
  if (!product) {
    return res.status(404).json({ error: "there is no such product" });
  }
  const { name, price, description, quantity, CategoryId, imageUrl } = req.body;
  res.json(await product.update({ name, price, description, quantity, CategoryId, imageUrl }));
});

products.delete("/:id", authorizeAdmin, async (req, res) => {
  await Product.destroy({ where: { id: req.params.id } });
  res.status(204).end();
});
