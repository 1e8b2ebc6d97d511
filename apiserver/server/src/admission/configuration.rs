//! What plugins are told by --admission-control-config-file: each its own document, in the file or beside it (apiserver
//! pkg/admission/config.go).

use crate::configuration::Form;
use serde_json::Value;
use std::path::Path;
use triad_machinery::codec::yaml;
use triad_machinery::pod::{items, text};

const FORM: Form = Form {
    kind: "AdmissionConfiguration",
    versions: &["apiserver.config.k8s.io/v1", "apiserver.k8s.io/v1alpha1"],
    fields: &[
        ("", &["plugins"]),
        ("/plugins", &["name", "path", "configuration"]),
    ],
};
/// Fields of files from before there was a kind: the whole file is these plugins' document.
const LEGACY: [(&str, &str); 2] = [
    ("imagePolicy", "ImagePolicyWebhook"),
    ("podNodeSelectorPluginConfig", "PodNodeSelector"),
];

/// Plugins with their documents.
#[derive(Default)]
pub(super) struct Configuration(Vec<(String, Value)>);

impl Configuration {
    pub(super) fn read(file: Option<&Path>) -> Result<Self, String> {
        let Some(file) = file else {
            return Ok(Configuration::default());
        };
        let config = document(file)?;
        let legacy = LEGACY.iter().filter(|(field, _)| !config[field].is_null());
        let legacy: Vec<_> = legacy
            .map(|(_, plugin)| ((*plugin).to_owned(), config.clone()))
            .collect();
        if !FORM.is_of(&config) && !legacy.is_empty() {
            return Ok(Configuration(legacy));
        }
        FORM.check(&config)
            .map_err(|why| format!("{}: {why}", file.display()))?;
        let home = file.parent().unwrap_or(Path::new(""));
        let plugins = items(&config["plugins"]).map(|plugin| {
            let name = text(&plugin["name"]).to_owned();
            let path = text(&plugin["path"]);
            let own = match &plugin["configuration"] {
                Value::Null if path.is_empty() => Value::Null,
                Value::Null => document(&home.join(path))?,
                given => given.clone(),
            };
            Ok((name, own))
        });
        plugins.collect::<Result<_, String>>().map(Configuration)
    }

    /// A plugin's document; none where nothing is said.
    pub(super) fn of(&self, plugin: &str) -> Option<&Value> {
        let mut all = self.0.iter();
        let found = all.find(|(name, own)| name == plugin && !own.is_null());
        found.map(|(_, own)| own)
    }

    /// The same for one that has a kind.
    pub(super) fn of_form(&self, plugin: &str, form: &Form) -> Result<Option<&Value>, String> {
        let found = self.of(plugin);
        if let Some(own) = found {
            form.check(own)?;
        }
        Ok(found)
    }
}

fn document(file: &Path) -> Result<Value, String> {
    let name = file.display();
    let text = std::fs::read(file).map_err(|error| {
        format!("unable to read admission control configuration from {name}: {error}")
    })?;
    yaml::to_value(&text).map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_lie_in_the_file_or_beside_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        write("own.yaml", "limits: 7");
        let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\n";
        let whole = format!(
            "{head}plugins: [{{name: A, configuration: {{a: 1}}}}, {{name: B, path: own.yaml}}, {{name: C}}]"
        );
        let file = write("whole.yaml", &whole);
        let read = Configuration::read(Some(&file)).expect("read");
        assert_eq!(read.of("A").expect("of A")["a"], 1);
        assert_eq!(read.of("B").expect("of B")["limits"], 7);
        assert!(read.of("C").is_none() && read.of("D").is_none());
        let old = write("old.yaml", "imagePolicy: {allowTTL: 5}");
        let read = Configuration::read(Some(&old)).expect("an older form");
        assert_eq!(
            read.of("ImagePolicyWebhook").expect("its own")["imagePolicy"]["allowTTL"],
            5
        );
        for (text, why) in [
            (format!("{head}plugin: []"), "unknown field \"plugin\""),
            ("kind: Other".to_owned(), "no kind \"Other\""),
            (
                format!("{head}plugins: [{{name: B, path: none.yaml}}]"),
                "unable to read",
            ),
        ] {
            let refused = Configuration::read(Some(&write("wrong.yaml", &text)));
            let refused = refused.err().expect("refused");
            assert!(refused.contains(why), "{refused}");
        }
        assert!(Configuration::read(Some(&dir.path().join("none"))).is_err());
    }
}
