//! Certificates: what `ctdb_etcd_lock` believes and what it shows.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::settings::Tls;

/// # Errors
/// Names the file that cannot be used.
pub(super) fn configure(tls: &Tls) -> Result<TlsConfig, String> {
    let roots = match &tls.ca_cert {
        Some(file) => Pem::read(file)?.certificates(file)?,
        None => system()?,
    };
    let builder = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(roots)));
    Ok(match &tls.cert {
        Some(file) => builder.client_cert(Some(client(file, tls.key.as_deref())?)),
        None => builder,
    }
    .build())
}

/// Whom the system believes.
fn system() -> Result<Vec<Certificate<'static>>, String> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let reason = found.errors.first().map_or_else(
            || "the system has no certificates".to_owned(),
            ToString::to_string,
        );
        return Err(format!("protocol = https without ca_cert: {reason}"));
    }
    Ok(found
        .certs
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect())
}

fn client(file: &Path, key_file: Option<&Path>) -> Result<ClientCert, String> {
    let mut pem = Pem::read(file)?;
    let key = match key_file {
        Some(file) => Pem::read(file)?.key.ok_or((file, "")),
        None => {
            let hint = ": append it, or name its file with \"key = FILE\"";
            pem.key.take().ok_or((file, hint))
        }
    };
    let key = key.map_err(|(file, hint)| {
        format!(
            "{}: no private key that can be read without a password{hint}",
            file.display()
        )
    })?;
    Ok(ClientCert::new_with_certs(&pem.certificates(file)?, key))
}

/// What is in a file.
struct Pem {
    certificates: Vec<Certificate<'static>>,
    key: Option<PrivateKey<'static>>,
}

impl Pem {
    fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let mut pem = Self {
            certificates: Vec::new(),
            key: None,
        };
        for item in parse_pem(&text) {
            match item.map_err(|e| format!("{}: {e}", file.display()))? {
                PemItem::Certificate(certificate) => pem.certificates.push(certificate),
                PemItem::PrivateKey(key) => pem.key = Some(key),
                _ => {}
            }
        }
        Ok(pem)
    }

    fn certificates(self, file: &Path) -> Result<Vec<Certificate<'static>>, String> {
        if self.certificates.is_empty() {
            return Err(format!("{}: no certificate in it", file.display()));
        }
        Ok(self.certificates)
    }
}
