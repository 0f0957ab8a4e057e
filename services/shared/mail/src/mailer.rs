//! Renders and sends mails.

use std::sync::Arc;

use lettre::{
    Address, Message,
    message::{
        MultiPart,
        header::{HeaderName, HeaderValue},
    },
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    DevMailbox, Letter, Mailbox, PublicUrl,
    smtp::{SendError, Smtp},
    template::Templates,
};

/// Renders and sends mails. Cheap to clone.
#[derive(Clone)]
pub struct Mailer(Arc<Inner>);

struct Inner {
    templates: Templates,
    delivery: Delivery,
    from: Mailbox,
    public_url: PublicUrl,
}

/// Where mails go.
pub(crate) enum Delivery {
    Smtp(Smtp),
    /// Nowhere: the latest are kept in memory.
    Dev(DevMailbox),
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mailer")
    }
}

impl Mailer {
    pub(crate) fn new(
        templates: Templates,
        delivery: Delivery,
        from: Mailbox,
        public_url: PublicUrl,
    ) -> Self {
        Self(Arc::new(Inner { templates, delivery, from, public_url }))
    }

    /// Returns the URL of the store, for links.
    pub fn public_url(&self) -> &PublicUrl {
        &self.0.public_url
    }

    /// Whether a mail is only kept in memory, which takes no time.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.0.delivery, Delivery::Dev(_))
    }

    /// Renders and sends the mail `id`.
    pub(crate) async fn send(&self, id: Uuid, letter: &Letter) -> Result<(), SendError> {
        let message = self.message(id, letter).map_err(|error| SendError::Rejected(format!("{error:#}")))?;
        match &self.0.delivery {
            Delivery::Smtp(smtp) => smtp.send(&message).await,
            Delivery::Dev(mailbox) => {
                mailbox.keep(id, &message);
                Ok(())
            }
        }
    }

    fn message(&self, id: Uuid, letter: &Letter) -> anyhow::Result<Message> {
        let Inner { templates, from, public_url, .. } = &*self.0;
        let shop = from.name.as_deref().unwrap_or(public_url.host());
        let mut data = letter.data.clone();
        data["shop"] = json!({"name": shop, "url": public_url.to_string()});
        let rendered = templates.render(letter.template, &data)?;
        // Names of users are in the text alone, and in no header.
        let to: Address = letter.to.parse()?;
        let message = Message::builder()
            .message_id(Some(format!("<{id}@{}>", from.email.domain())))
            .from(from.clone())
            .to(Mailbox::new(None, to))
            .subject(rendered.subject)
            .multipart(MultiPart::alternative_plain_html(rendered.text, rendered.html));
        let mut message = message?;
        // No out-of-office replies (RFC 3834).
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        message.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Template;

    #[tokio::test]
    async fn a_hostile_name_reaches_no_header() {
        let mailbox = DevMailbox::default();
        let mailer = Mailer::new(
            Templates::read(None).unwrap(),
            Delivery::Dev(mailbox),
            "Corner Shop <shop@shop.example>".parse().unwrap(),
            "https://shop.example".parse().unwrap(),
        );
        let name = "Ada\r\nBcc: eve@evil.example\r\n\r\nbody";
        let data = json!({"name": name, "link": "https://shop.example/#token=a", "hours": 1});
        let letter = Letter { to: "ada@example.org".into(), template: Template::PasswordReset, data };
        let id = Uuid::now_v7();
        let message = String::from_utf8(mailer.message(id, &letter).unwrap().formatted()).unwrap();
        let (headers, _) = message.split_once("\r\n\r\n").unwrap();
        assert!(!headers.to_lowercase().contains("bcc") && !headers.contains("evil"), "{headers}");
        assert!(headers.contains(&format!("Message-ID: <{id}@shop.example>")), "{headers}");
        assert!(headers.contains("Auto-Submitted: auto-generated"), "{headers}");

        for to in ["ada@example.org\r\nBcc: eve@evil.example", "ada@example.org, eve@evil.example", ""] {
            let letter = Letter { to: to.into(), ..letter.clone() };
            assert!(matches!(mailer.send(id, &letter).await, Err(SendError::Rejected(_))), "{to}");
        }
    }
}
