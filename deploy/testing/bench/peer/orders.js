import express from "express";

import { authenticate, authorizeAdmin } from "./auth.js";
import { Cart, CartItem, Order, Product, sequelize } from "./models.js";

export const orders = express.Router();

/** An error that the client has caused. */
class Rejection extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function placeOrder(userId) {
  return sequelize.transaction(async (transaction) => {
    const cart = await Cart.findOne({ where: { UserId: userId }, transaction, lock: transaction.LOCK.UPDATE });
    const items = cart ? await CartItem.findAll({ where: { CartId: cart.id }, transaction }) : [];
    if (items.length === 0) {
      throw new Rejection(400, "the cart is empty");
    }
    // In the order of their ids, so that two orders never wait for each other.
    const found = await Product.findAll({
      where: { id: items.map((item) => item.ProductId) },
      order: [["id", "ASC"]],
      transaction,
      lock: transaction.LOCK.UPDATE,
    });
    const byId = new Map(found.map((product) => [product.id, product]));
    const products = [];
    for (const { ProductId, quantity } of items) {
      const product = byId.get(ProductId);
      if (!product || product.quantity < quantity) {
        throw new Rejection(409, `not enough in stock of product ${ProductId}`);
      }
      await product.decrement("quantity", { by: quantity, transaction });
      products.push({ productId: product.id, name: product.name, price: product.price, quantity });
    }
    const totalPrice = products.reduce((sum, { price, quantity }) => sum + price * quantity, 0).toFixed(2);
    const order = await Order.create({ UserId: userId, products, totalPrice }, { transaction });
    await CartItem.destroy({ where: { CartId: cart.id }, transaction });
    return order;
  });
}

orders.post("/order", authenticate, async (req, res) => {
  try {
    res.status(201).json(await placeOrder(req.user.id));
  } catch (error) {
    if (!(error instanceof Rejection)) {
      throw error;
    }
    res.status(error.status).json({ error: error.message });
  }
});

orders.get("/order/:id", authenticate, async (req, res) => {
  const order = await Order.findOne({ where: { id: req.params.id, UserId: req.user.id } });
  if (!order) {
    return res.status(404).json({ error: "there is no such order" });
  }
  res.json(order);
});

orders.get("/orders", authorizeAdmin, async (req, res) => {
  res.json(await Order.findAll({ order: [["id", "DESC"]], limit: 100 }));
});
