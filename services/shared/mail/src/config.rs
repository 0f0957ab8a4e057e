//! Settings of e-mail.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

use anyhow::Context as _;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::{DevMailbox, Mailbox, Mailer, mailer::Delivery, smtp::Smtp, template::Templates};

/// Arguments of the services that send mail.
#[derive(Clone, Debug, clap::Args)]
pub struct MailArgs {
    /// SMTP server: `smtps://user:password@host`, or `smtp://` with STARTTLS; `?tls=off` for a server on this machine
    /// [default: no mail is sent]
    #[arg(long, env = "BODEGA_SMTP_URL", hide_env_values = true)]
    pub smtp_url: Option<SmtpUrl>,
    /// PEM file with further certificate authorities of the SMTP server
    #[arg(long, env = "BODEGA_SMTP_CA_FILE")]
    pub smtp_ca_file: Option<PathBuf>,
    /// Sender of all mails, such as `Shop <shop@example.com>`
    #[arg(long, env = "BODEGA_MAIL_FROM", default_value = "shop@localhost", value_parser = mailbox)]
    pub mail_from: Mailbox,
    /// URL of the store for links in mails, such as https://shop.example
    #[arg(long, env = "BODEGA_PUBLIC_URL")]
    pub public_url: Option<PublicUrl>,
    /// Directory of templates that replace built-in ones of the same name
    #[arg(long, env = "BODEGA_TEMPLATES_DIR")]
    pub templates_dir: Option<PathBuf>,
}

impl MailArgs {
    /// Returns the mailer of a process of its own: `None` without an SMTP server.
    ///
    /// # Errors
    /// When a template or the file of certificate authorities is invalid, or there is no public URL.
    pub fn smtp_mailer(&self) -> anyhow::Result<Option<Mailer>> {
        let Some(delivery) = self.smtp()? else { return Ok(None) };
        let url = self.public_url.clone();
        let url = url.context("BODEGA_PUBLIC_URL is missing: mails contain links to the store")?;
        Ok(Some(self.mailer(delivery, url)?))
    }

    /// Returns a mailer that keeps mails in `mailbox` if no SMTP server is configured, with `url` as the default of the public URL.
    ///
    /// # Errors
    /// When a template or the file of certificate authorities is invalid.
    pub fn mailer_or(&self, mailbox: Option<DevMailbox>, url: PublicUrl) -> anyhow::Result<Option<Mailer>> {
        let delivery = self.smtp()?.or(mailbox.map(Delivery::Dev));
        let url = self.public_url.clone().unwrap_or(url);
        delivery.map(|delivery| self.mailer(delivery, url)).transpose()
    }

    fn smtp(&self) -> anyhow::Result<Option<Delivery>> {
        let Some(url) = &self.smtp_url else { return Ok(None) };
        let authorities = match &self.smtp_ca_file {
            None => None,
            Some(file) => Some(
                std::fs::read(file)
                    .with_context(|| format!("BODEGA_SMTP_CA_FILE: cannot read {}", file.display()))?,
            ),
        };
        let hello = self.mail_from.email.domain();
        Ok(Some(Delivery::Smtp(Smtp::new(url, hello, authorities.as_deref())?)))
    }

    fn mailer(&self, delivery: Delivery, url: PublicUrl) -> anyhow::Result<Mailer> {
        let templates = Templates::read(self.templates_dir.as_deref()).context("BODEGA_TEMPLATES_DIR")?;
        Ok(Mailer::new(templates, delivery, self.mail_from.clone(), url))
    }
}

/// Parses an address with an optional display name.
///
/// # Errors
/// When it is none.
pub fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|_| "use an address such as shop@example.com or Shop <shop@example.com>".to_owned())
}

/// An `http` or `https` URL without a path, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(Url);

impl PublicUrl {
    /// Returns the URL of a path, which begins with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{self}{path}")
    }

    /// Returns the host.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text.trim()).ok().filter(|url| {
            ["http", "https"].contains(&url.scheme())
                && url.has_host()
                && url.username().is_empty()
                && (url.path(), url.query(), url.fragment()) == ("/", None, None)
        });
        url.map(Self).ok_or_else(|| "use a URL without a path, such as https://shop.example".to_owned())
    }
}

/// The address of an SMTP server, and how to use it.
#[derive(Clone)]
pub struct SmtpUrl {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
    /// User and password.
    pub(crate) credentials: Option<(String, String)>,
}

/// How the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// From its start.
    Tls,
    /// From the command STARTTLS, which is required.
    StartTls,
    /// Not at all, on this machine.
    Off,
}

impl FromStr for SmtpUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "use smtps://user:password@host or smtp://user:password@host".to_owned();
        let url = Url::parse(text.trim()).map_err(|_| form())?;
        let (security, port) = match (url.scheme(), url.query()) {
            ("smtps", None) => (Security::Tls, 465),
            ("smtp", None) => (Security::StartTls, 587),
            ("smtp", Some("tls=off")) => (Security::Off, 25),
            ("smtp" | "smtps", Some(_)) => return Err("the only option is ?tls=off of smtp://".to_owned()),
            _ => return Err(form()),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(form)?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(form());
        }
        // Bracketed IPv6 addresses are not resolved by name.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if security == Security::Off && !is_loopback(&host) {
            return Err("?tls=off is allowed for localhost and loopback addresses only".to_owned());
        }
        let decode =
            |text: &str| percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| form());
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => Some((decode(user)?, decode(password)?)),
            _ => return Err("use a user and a password, or none of them".to_owned()),
        };
        Ok(Self { host, port: url.port().unwrap_or(port), security, credentials })
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || matches!(Host::parse(host), Ok(Host::Ipv4(address)) if address.is_loopback())
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpUrl({}:{})", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, u16, Security) {
        let SmtpUrl { host, port, security, .. } = text.parse().unwrap();
        (host, port, security)
    }

    #[test]
    fn reads_smtp_urls() {
        assert_eq!(parts("smtps://mail.example"), ("mail.example".into(), 465, Security::Tls));
        assert_eq!(parts("smtp://mail.example:2525"), ("mail.example".into(), 2525, Security::StartTls));
        assert_eq!(parts("smtp://127.0.0.1:1025?tls=off"), ("127.0.0.1".into(), 1025, Security::Off));
        assert_eq!(parts("smtp://[::1]?tls=off"), ("::1".into(), 25, Security::Off));
        let url: SmtpUrl = "smtps://shop%40example.com:p%3Ass@mail.example".parse().unwrap();
        assert_eq!(url.credentials, Some(("shop@example.com".into(), "p:ss".into())));
        assert!(!format!("{url:?}").contains("p:ss"));
    }

    #[test]
    fn rejects_unencrypted_connections_to_other_machines() {
        for text in
            ["smtp://mail.example?tls=off", "smtp://10.0.0.1?tls=off", "smtp://127.0.0.1.example?tls=off"]
        {
            let error = text.parse::<SmtpUrl>().unwrap_err();
            assert!(error.starts_with("?tls=off is allowed for localhost"), "{text}: {error}");
        }
    }

    #[test]
    fn rejects_other_urls() {
        for text in [
            "",
            "mail.example",
            "http://a",
            "smtp://",
            "smtps://a?tls=off",
            "smtp://a?tls=on",
            "smtp://u@a",
            "smtps://a/b",
        ] {
            assert!(text.parse::<SmtpUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_public_url_has_no_path() {
        let url: PublicUrl = "https://shop.example/".parse().unwrap();
        assert_eq!(url.join("/a"), "https://shop.example/a");
        for text in ["shop.example", "ftp://a", "https://a/b", "https://a?b", "https://a#b", "https://u@a"] {
            assert!(text.parse::<PublicUrl>().is_err(), "{text}");
        }
    }
}
