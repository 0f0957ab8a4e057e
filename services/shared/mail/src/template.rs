//! Templates of mails: a text and an HTML file each. The first line of the text is the subject.

use std::{io::ErrorKind, path::Path};

use anyhow::{Context as _, ensure};
use minijinja::{Environment, UndefinedBehavior, Value, value::Serde};
use serde_json::Value as Json;

macro_rules! templates {
    ($($variant:ident $name:literal $doc:literal;)*) => {
        /// The mails that there are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Template {
            $(#[doc = $doc] $variant,)*
        }

        impl Template {
            /// All mails.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the name of the template's files, without extension.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }

        const BUILT_IN: &[(&str, &str)] = &[
            ("layout.html", include_str!("../templates/layout.html")),
            $(
                (concat!($name, ".txt"), include_str!(concat!("../templates/", $name, ".txt"))),
                (concat!($name, ".html"), include_str!(concat!("../templates/", $name, ".html"))),
            )*
        ];
    };
}

templates! {
    PasswordReset "password_reset" "A link to set a new password.";
    VerifyEmail "verify_email" "A link to confirm an address.";
    EmailChanged "email_changed" "To the old address: a link that restores it.";
    PasswordChanged "password_changed" "The password was changed.";
    OrderConfirmation "order_confirmation" "An order was placed, and paid if it is paid by card.";
    PaymentReceived "payment_received" "The payment of an order arrived.";
    OrderShipped "order_shipped" "An order was shipped.";
    ShipmentSent "shipment_sent" "A part of an order was shipped.";
    OrderCancelled "order_cancelled" "An order was cancelled.";
    PaymentRefunded "payment_refunded" "A payment was refunded.";
    PartialRefund "partial_refund" "A part of a payment was refunded.";
    NewOrder "new_order" "To the merchant: there is a new order.";
}

/// Data of each template, with which all of them are tried at the start.
const SAMPLES: &str = include_str!("../templates/samples.json");

/// A rendered mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

#[derive(Debug)]
pub(crate) struct Templates(Environment<'static>);

impl Templates {
    /// Reads the templates, and renders each with sample data.
    pub(crate) fn read(directory: Option<&Path>) -> anyhow::Result<Self> {
        let mut environment = Environment::new();
        // A misspelt name is an error, except in a condition.
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        for (name, built_in) in BUILT_IN {
            let source = match directory {
                Some(directory) => own(&directory.join(name))?,
                None => None,
            };
            let source = source.unwrap_or_else(|| (*built_in).to_owned());
            let source = if name.ends_with(".txt") {
                let (subject, text) = source.split_once('\n').unwrap_or((&source, ""));
                let subject = subject.strip_prefix("Subject:");
                let subject = subject.with_context(|| format!("{name}:1 must begin with `Subject:`"))?;
                add(&mut environment, &subject_of(name), subject.to_owned())?;
                // The lines keep their numbers.
                format!("\n{text}")
            } else {
                source
            };
            add(&mut environment, name, source)?;
        }
        if let Some(directory) = directory {
            warn_about_unknown(directory)?;
        }
        let templates = Self(environment);
        let samples: Json = serde_json::from_str(SAMPLES)?;
        for template in Template::ALL {
            let rendered = templates.render(*template, &samples[template.name()]);
            rendered.with_context(|| format!("cannot render {} with sample data", template.name()))?;
        }
        Ok(templates)
    }

    pub(crate) fn render(&self, template: Template, data: &Json) -> anyhow::Result<Rendered> {
        let data = Value::from(Serde(data));
        let name = template.name();
        let render = |extension: &str| -> anyhow::Result<String> {
            Ok(self.0.get_template(&format!("{name}.{extension}"))?.render(data.clone())?)
        };
        let (text, html) = (render("txt")?, render("html")?);
        let subject = self.0.get_template(&subject_of(&format!("{name}.txt")))?.render(data.clone())?;
        // A header is one line, whatever the data contain.
        let subject = subject.split(|c: char| c.is_whitespace() || c.is_control());
        let subject = subject.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        ensure!(!subject.is_empty(), "{name}.txt:1 has an empty subject");
        Ok(Rendered { subject, text: text.trim().to_owned() + "\n", html })
    }
}

/// The name of the first line of a text, which is rendered by itself: line breaks in the data cannot end it.
fn subject_of(text: &str) -> String {
    format!("{text}:1")
}

fn add(environment: &mut Environment<'_>, name: &str, source: String) -> anyhow::Result<()> {
    environment
        .add_template_owned(name.to_owned(), source)
        .with_context(|| format!("invalid template {name}"))
}

/// Reads a template of the merchant, if there is one.
fn own(file: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(source) => Ok(Some(source)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// Logs files that replace no template: their names may be misspelt.
fn warn_about_unknown(directory: &Path) -> anyhow::Result<()> {
    let files =
        std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for file in files {
        let name = file?.file_name();
        if !BUILT_IN.iter().any(|(known, _)| name == *known) {
            tracing::warn!("{} is not the name of a template and has no effect", name.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Returns the data of a mail about a shipped order, with some other values.
    fn sample(changes: Json) -> Json {
        let mut samples: Json = serde_json::from_str(SAMPLES).unwrap();
        let mut data = samples["order_shipped"].take();
        for (field, value) in changes.as_object().unwrap() {
            match value.as_object() {
                Some(parts) => parts.iter().for_each(|(name, part)| data[field][name] = part.clone()),
                None => data[field] = value.clone(),
            }
        }
        data
    }

    #[test]
    fn built_in_templates_render_their_sample_data() {
        let templates = Templates::read(None).unwrap();
        let samples: Json = serde_json::from_str(SAMPLES).unwrap();
        for template in Template::ALL {
            let Rendered { subject, text, html } =
                templates.render(*template, &samples[template.name()]).unwrap();
            assert!(
                !subject.is_empty() && text.contains("Corner Shop") && html.contains("Corner Shop"),
                "{text}"
            );
            assert!(html.contains("</html>") && !text.contains('<'), "{text}");
        }
    }

    /// The parts of the total are mentioned unless they are null.
    #[test]
    fn the_lines_of_an_order_add_up_to_its_total() {
        let templates = Templates::read(None).unwrap();
        let parts = json!({
            "order": {"discount": "USD 2.00", "shipping": "USD 4.90", "added_tax": "USD 2.84", "included_tax": null}
        });
        let included = json!({"order": {"discount": null, "shipping": null, "added_tax": null, "included_tax": "USD 4.07"}});
        let none =
            json!({"order": {"discount": null, "shipping": null, "added_tax": null, "included_tax": null}});
        let pen = "1 x Pen: USD 5.50\n";
        for (changes, expected) in [
            (parts, "Discount: -USD 2.00\nShipping: USD 4.90\nTax: USD 2.84\nTotal: USD 31.24\n\n"),
            (included, "Total: USD 31.24\nIncluded tax: USD 4.07\n\n"),
            (none, "Total: USD 31.24\n\n"),
        ] {
            let data = sample(changes);
            for template in [Template::OrderConfirmation, Template::OrderShipped, Template::NewOrder] {
                let Rendered { text, html, .. } = templates.render(template, &data).unwrap();
                assert!(text.contains(&format!("{pen}{expected}")), "{text}");
                for line in expected.lines().filter(|line| !line.is_empty()) {
                    let (label, amount) = line.split_once(": ").unwrap();
                    assert!(html.contains(label) && html.contains(&format!(">{amount}<")), "{html}");
                }
                assert_eq!(html.matches("</tr>").count(), 2 + expected.trim().lines().count(), "{html}");
            }
        }
    }

    #[test]
    fn replaced_templates_are_checked_at_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("order_shipped.txt");
        std::fs::write(&file, "Subject: Unterwegs: {{ order.id }}\n\nHallo {{ name }}\n").unwrap();
        let templates = Templates::read(Some(directory.path())).unwrap();
        let data = sample(json!({"order": {"id": "7"}}));
        assert_eq!(templates.render(Template::OrderShipped, &data).unwrap().subject, "Unterwegs: 7");

        for (broken, line) in [
            ("Subject: a\n\n{{ nmae }}\n", "order_shipped.txt:3"),
            ("Subject: a\n{% if %}\n", "order_shipped.txt:2"),
            ("Hello\n", "order_shipped.txt:1"),
        ] {
            std::fs::write(&file, broken).unwrap();
            let error = format!("{:#}", Templates::read(Some(directory.path())).unwrap_err());
            assert!(error.contains(line), "{error}");
        }
    }

    #[test]
    fn data_cannot_break_the_subject_or_the_html() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("order_shipped.txt"), "Subject: For {{ name }}\n\nHello\n")
            .unwrap();
        let templates = Templates::read(Some(directory.path())).unwrap();
        let name = "Ada\r\nBcc: eve@example.org\u{85}\u{2028}<script>";
        let data = sample(json!({"name": name}));
        let rendered = templates.render(Template::OrderShipped, &data).unwrap();
        assert_eq!(rendered.subject, "For Ada Bcc: eve@example.org <script>");
        assert!(!rendered.html.contains("<script>"), "{}", rendered.html);
    }
}
