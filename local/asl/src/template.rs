//! Fields that may hold JSONata: a JSON value in which any whole string may be an expression.

use serde_json::Value;
use std::sync::Arc;

/// A field's value with its expressions told apart from its literals.
#[derive(Debug, Clone)]
pub(crate) enum Template {
    /// Holds no expression anywhere.
    Literal(Value),
    /// `{% … %}`: the text between the marks, trimmed.
    Expr(Arc<str>),
    Array(Vec<Template>),
    Object(Vec<(String, Template)>),
}

/// The expression inside `{% … %}`, if the whole string is one: the marks must be the very first and
/// last characters.
pub(crate) fn expression_text(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("{%")?.strip_suffix("%}")?;
    Some(inner.trim())
}

impl Template {
    /// Splits a value into literals and expressions. Never fails: syntax is checked by the loader.
    pub(crate) fn compile(value: &Value) -> Template {
        match value {
            Value::String(text) => match expression_text(text) {
                Some(expr) => Template::Expr(Arc::from(expr)),
                None => Template::Literal(value.clone()),
            },
            Value::Array(items) => {
                let parts: Vec<Template> = items.iter().map(Template::compile).collect();
                if parts.iter().all(Template::is_literal) {
                    return Template::Literal(value.clone());
                }
                Template::Array(parts)
            }
            Value::Object(fields) => {
                let parts: Vec<(String, Template)> = fields
                    .iter()
                    .map(|(key, field)| (key.clone(), Template::compile(field)))
                    .collect();
                if parts.iter().all(|(_, part)| part.is_literal()) {
                    return Template::Literal(value.clone());
                }
                Template::Object(parts)
            }
            other => Template::Literal(other.clone()),
        }
    }

    fn is_literal(&self) -> bool {
        matches!(self, Template::Literal(_))
    }

    /// Calls `visit` with the path below `path` and the text of every expression.
    pub(crate) fn for_each_expression(&self, path: &str, visit: &mut dyn FnMut(&str, &str)) {
        match self {
            Template::Literal(_) => {}
            Template::Expr(text) => visit(path, text),
            Template::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.for_each_expression(&format!("{path}[{index}]"), visit);
                }
            }
            Template::Object(fields) => {
                for (key, field) in fields {
                    field.for_each_expression(&format!("{path}/{key}"), visit);
                }
            }
        }
    }
}
