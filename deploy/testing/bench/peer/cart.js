import express from "express";

import { authenticate } from "./auth.js";
import { Cart, CartItem, Product } from "./models.js";

export const cart = express.Router();
cart.use(authenticate);

async function cartOf(userId) {
  const [found] = await Cart.findOrCreate({ where: { UserId: userId } });
  return found;
}

async function present(cartId) {
  const items = await CartItem.findAll({ where: { CartId: cartId }, include: Product, order: [["id", "ASC"]] });
  const totalPrice = items.reduce((sum, item) => sum + item.quantity * item.Product.price, 0);
  return { items, totalPrice: Number(totalPrice.toFixed(2)) };
}

cart.get("/", async (req, res) => {
  res.json(await present((await cartOf(req.user.id)).id));
});

cart.post("/", async (req, res) => {
  const { productId, quantity = 1 } = req.body;
  const product = await Product.findByPk(productId);
  if (!product) {
    return res.status(404).json({ error: "there is no such product" });
  }
  const { id: CartId } = await cartOf(req.user.id);
  const [item, created] = await CartItem.findOrCreate({
    where: { CartId, ProductId: product.id },
    defaults: { quantity },
  });
  if (!created) {
    await item.increment("quantity", { by: quantity });
  }
  res.json(await present(CartId));
});

cart.put("/:productId", async (req, res) => {
  const { id: CartId } = await cartOf(req.user.id);
  const { quantity } = req.body;
  const [changed] = await CartItem.update({ quantity }, { where: { CartId, ProductId: req.params.productId } });
  if (!changed) {
    return res.status(404).json({ error: "the product is not in the cart" });
  }
  res.json(await present(CartId));
});

cart.delete("/", async (req, res) => {
  await CartItem.destroy({ where: { CartId: (await cartOf(req.user.id)).id } });
  res.status(204).end();
});

cart.delete("/:productId", async (req, res) => {
  const { id: CartId } = await cartOf(req.user.id);
  await CartItem.destroy({ where: { CartId, ProductId: req.params.productId } });
  res.json(await present(CartId));
});
