//! What all routes have in common: errors, invalid input, documentation.

mod errors;
mod invalid_input;
mod openapi_document;
