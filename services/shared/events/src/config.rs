//! Settings of the connection to NATS.

use std::{path::PathBuf, str::FromStr};

use anyhow::Context as _;
use async_nats::ServerAddr;

use crate::nats::Nats;

/// Arguments of the services that publish events.
#[derive(Clone, Debug, clap::Args)]
pub struct EventArgs {
    /// NATS servers to publish events to, separated by commas, such as `nats://127.0.0.1:4222` or `tls://nats.example.com`
    /// [default: events are not published]
    #[arg(long, env = "BODEGA_NATS_URL")]
    pub nats_url: Option<Servers>,
    /// User and password of NATS as `user:password`, or a token
    #[arg(long, env = "BODEGA_NATS_CREDENTIALS", hide_env_values = true)]
    pub nats_credentials: Option<Credentials>,
    /// PEM file with the certificate authorities of the NATS servers [default: those of the system]
    #[arg(long, env = "BODEGA_NATS_CA_FILE")]
    pub nats_ca_file: Option<PathBuf>,
    /// Number of NATS servers that store the events, if the stream is created: 3 in a cluster
    #[arg(long, env = "BODEGA_NATS_REPLICAS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub nats_replicas: u8,
}

impl Default for EventArgs {
    fn default() -> Self {
        Self { nats_url: None, nats_credentials: None, nats_ca_file: None, nats_replicas: 1 }
    }
}

impl EventArgs {
    /// Returns the NATS servers to publish events to, if any.
    ///
    /// # Errors
    /// When the file of certificate authorities cannot be read.
    pub fn nats(&self) -> anyhow::Result<Option<Nats>> {
        let Self { nats_url, nats_credentials, nats_ca_file, nats_replicas } = self.clone();
        let Some(servers) = nats_url else { return Ok(None) };
        if let Some(file) = &nats_ca_file {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("BODEGA_NATS_CA_FILE: cannot read {}", file.display()))?;
            anyhow::ensure!(
                text.contains("-----BEGIN CERTIFICATE-----"),
                "BODEGA_NATS_CA_FILE: {} has no certificate: use a PEM file",
                file.display()
            );
        }
        Ok(Some(Nats {
            servers,
            credentials: nats_credentials,
            ca_file: nats_ca_file,
            replicas: nats_replicas.into(),
        }))
    }
}

/// The servers of one NATS cluster.
#[derive(Clone, Debug)]
pub struct Servers(pub(crate) Vec<ServerAddr>);

impl FromStr for Servers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |url: &str| -> Result<ServerAddr, String> {
            let invalid = || {
                "use URLs such as nats://127.0.0.1:4222 or tls://nats.example.com, separated by commas"
                    .to_owned()
            };
            let scheme = url.split_once("://").map(|(scheme, _)| scheme);
            let address: ServerAddr = url.parse().map_err(|_| invalid())?;
            if !matches!(scheme, Some("nats" | "tls")) || address.host().is_empty() || address.port() == 0 {
                return Err(invalid());
            }
            if address.has_user_pass() || address.password().is_some() {
                return Err("use BODEGA_NATS_CREDENTIALS for the user and password".to_owned());
            }
            Ok(address)
        };
        text.split(',').map(|url| parse(url.trim())).collect::<Result<_, _>>().map(Self)
    }
}

impl std::fmt::Display for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hosts = self.0.iter().map(|address| format!("{}:{}", address.host(), address.port()));
        f.write_str(&hosts.collect::<Vec<_>>().join(","))
    }
}

/// How to authenticate.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A user and its password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A token.
    Token(String),
}

impl FromStr for Credentials {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
        match text.trim().split_once(':') {
            Some((user, password)) if is_plain(user) && is_plain(password) => {
                Ok(Self::Password { user: user.to_owned(), password: password.to_owned() })
            }
            None if is_plain(text.trim()) => Ok(Self::Token(text.trim().to_owned())),
            _ => Err("use user:password or a token, without spaces".to_owned()),
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_servers() {
        let servers: Servers = "tls://nats.example.com, nats://10.0.0.2:4333".parse().unwrap();
        assert_eq!(servers.to_string(), "nats.example.com:4222,10.0.0.2:4333");
    }

    #[test]
    fn rejects_other_urls() {
        for text in
            ["", "127.0.0.1:4222", "http://127.0.0.1:4222", "nats://", "nats://a,", "nats://a:b", "ws://a"]
        {
            let error = text.parse::<Servers>().unwrap_err();
            assert!(error.starts_with("use URLs such as nats://127.0.0.1:4222"), "{text}: {error}");
        }
        let error = "nats://user:password@host".parse::<Servers>().unwrap_err();
        assert_eq!(error, "use BODEGA_NATS_CREDENTIALS for the user and password");
    }

    #[test]
    fn reads_a_user_with_password_or_a_token() {
        let password = Credentials::Password { user: "shop".into(), password: "a:b".into() };
        assert!("shop:a:b\n".parse() == Ok(password));
        assert!("s3cr3t".parse() == Ok(Credentials::Token("s3cr3t".into())));
        for text in ["", " ", "user:", ":password", "-----BEGIN NATS USER JWT-----\n..."] {
            assert!(text.parse::<Credentials>().is_err(), "{text}");
        }
    }
}
