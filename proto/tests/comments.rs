//! Every element of the contract has a comment.

use std::collections::BTreeSet;

use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto};

/// Field numbers in the paths of `SourceCodeInfo` (`google/protobuf/descriptor.proto`).
mod tag {
    pub(crate) const MESSAGE: i32 = 4;
    pub(crate) const ENUM: i32 = 5;
    pub(crate) const SERVICE: i32 = 6;
    pub(crate) const FIELD: i32 = 2;
    pub(crate) const NESTED_MESSAGE: i32 = 3;
    pub(crate) const NESTED_ENUM: i32 = 4;
    pub(crate) const ENUM_VALUE: i32 = 2;
    pub(crate) const METHOD: i32 = 2;
}

/// The elements of a file that need a comment: path and name.
#[derive(Default)]
struct Elements(Vec<(Vec<i32>, String)>);

impl Elements {
    fn of(file: &FileDescriptorProto) -> Self {
        let mut elements = Self::default();
        for (index, message) in (0..).zip(&file.message_type) {
            elements.message(&[tag::MESSAGE, index], message);
        }
        for (index, values) in (0..).zip(&file.enum_type) {
            elements.values(&[tag::ENUM, index], values);
        }
        for (index, service) in (0..).zip(&file.service) {
            elements.add(&[tag::SERVICE, index], service.name());
            for (method_index, method) in (0..).zip(&service.method) {
                elements.add(&[tag::SERVICE, index, tag::METHOD, method_index], method.name());
            }
        }
        elements
    }

    fn message(&mut self, path: &[i32], message: &DescriptorProto) {
        self.add(path, message.name());
        for (index, field) in (0..).zip(&message.field) {
            self.add(&[path, &[tag::FIELD, index]].concat(), field.name());
        }
        for (index, nested) in (0..).zip(&message.nested_type) {
            self.message(&[path, &[tag::NESTED_MESSAGE, index]].concat(), nested);
        }
        for (index, values) in (0..).zip(&message.enum_type) {
            self.values(&[path, &[tag::NESTED_ENUM, index]].concat(), values);
        }
    }

    fn values(&mut self, path: &[i32], values: &EnumDescriptorProto) {
        self.add(path, values.name());
        for (index, value) in (0..).zip(&values.value) {
            self.add(&[path, &[tag::ENUM_VALUE, index]].concat(), value.name());
        }
    }

    fn add(&mut self, path: &[i32], name: &str) {
        self.0.push((path.to_vec(), name.to_owned()));
    }
}

#[test]
fn every_service_call_message_field_and_value_has_a_comment() {
    let files =
        ["cart/v1/cart", "catalog/v1/catalog", "identity/v1/identity", "order/v1/order", "order/v1/settings"];
    let mut compiler = protox::Compiler::new(["."]).unwrap();
    compiler.include_source_info(true).open_files(files.map(|file| format!("bodega/{file}.proto"))).unwrap();
    let set = compiler.file_descriptor_set();
    assert_eq!(set.file.len(), files.len());
    for file in &set.file {
        let commented: BTreeSet<&[i32]> = file
            .source_code_info
            .iter()
            .flat_map(|info| &info.location)
            .filter(|location| !location.leading_comments().trim().is_empty())
            .map(|location| location.path.as_slice())
            .collect();
        let elements = Elements::of(file).0;
        assert!(elements.len() > 20, "{} was read", file.name());
        let uncommented: Vec<_> = elements
            .iter()
            .filter(|(path, _)| !commented.contains(path.as_slice()))
            .map(|(_, name)| name)
            .collect();
        assert!(uncommented.is_empty(), "{}: no comment on {uncommented:?}", file.name());
    }
}
