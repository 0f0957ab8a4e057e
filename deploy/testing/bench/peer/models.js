import { DataTypes, Sequelize } from "sequelize";

const { DB_HOST, DB_NAME, DB_USER, DB_PASSWORD } = process.env;

export const sequelize = new Sequelize(DB_NAME, DB_USER, DB_PASSWORD, {
  dialect: "postgres",
  host: DB_HOST,
  logging: false,
  pool: { max: 10 },
});

export const User = sequelize.define("User", {
  name: { type: DataTypes.STRING, allowNull: false },
  email: { type: DataTypes.STRING, allowNull: false, unique: true, validate: { isEmail: true } },
  password: { type: DataTypes.STRING, allowNull: false },
  role: { type: DataTypes.ENUM("customer", "admin"), allowNull: false, defaultValue: "customer" },
});

export const Category = sequelize.define("Category", {
  name: { type: DataTypes.STRING, allowNull: false, unique: true },
});

export const Product = sequelize.define("Product", {
  name: { type: DataTypes.STRING, allowNull: false },
  price: {
    type: DataTypes.DECIMAL(10, 2),
    allowNull: false,
    validate: { min: 0 },
    get() {
      return Number(this.getDataValue("price"));
    },
  },
  description: { type: DataTypes.TEXT },
  quantity: { type: DataTypes.INTEGER, allowNull: false, validate: { min: 0 } },
  imageUrl: { type: DataTypes.STRING },
});

export const Cart = sequelize.define("Cart", {});

export const CartItem = sequelize.define(
  "CartItem",
  { quantity: { type: DataTypes.INTEGER, allowNull: false, validate: { min: 1 } } },
  { indexes: [{ unique: true, fields: ["CartId", "ProductId"] }] },
);

export const Order = sequelize.define("Order", {
  products: { type: DataTypes.JSONB, allowNull: false },
  totalPrice: { type: DataTypes.DECIMAL(12, 2), allowNull: false },
  status: {
    type: DataTypes.ENUM("pending", "confirmed", "shipped", "delivered", "cancelled"),
    allowNull: false,
    defaultValue: "pending",
  },
});

Category.hasMany(Product);
Product.belongsTo(Category);
User.hasOne(Cart, { foreignKey: { unique: true } });
Cart.belongsTo(User);
Cart.hasMany(CartItem, { onDelete: "CASCADE" });
CartItem.belongsTo(Cart);
CartItem.belongsTo(Product);
User.hasMany(Order);
Order.belongsTo(User);
