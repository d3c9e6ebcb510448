//! As much of JSON Schema as `docs/json-lines.schema.json` uses: enough to hold output against it, without the forty crates
//! of a complete validator. A keyword that is not known here fails, so that none is passed over.

use serde_json::Value;

/// A schema, whose references lead to its own `$defs`.
pub struct Schema(Value);

impl Schema {
    pub fn read(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap())
    }

    /// Says the first thing that is wrong with a value.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        self.holds(&self.0, value)
    }

    fn holds(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let schema = schema.as_object().ok_or("a schema is an object")?;
        for (keyword, wanted) in schema {
            let fine = match keyword.as_str() {
                "$schema" | "$id" | "$defs" | "title" | "description" | "$comment" => true,
                "$ref" => {
                    let path = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                    let target = self.0.pointer(path).ok_or(format!("no {path}"))?;
                    self.holds(target, value)?;
                    true
                }
                "type" => match wanted {
                    Value::Array(any) => any.iter().any(|one| is(one, value)),
                    one => is(one, value),
                },
                "const" => value == wanted,
                "enum" => wanted.as_array().unwrap().contains(value),
                "minimum" => value.as_f64().is_none_or(|n| n >= wanted.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|n| n <= wanted.as_f64().unwrap()),
                "format" => wanted == "date-time" && is_rfc3339(value.as_str().unwrap_or_default()),
                "required" => {
                    let keys = wanted.as_array().unwrap().iter();
                    keys.map(|key| key.as_str().unwrap())
                        .all(|key| value.get(key).is_some())
                }
                "properties" => {
                    for (key, schema) in wanted.as_object().unwrap() {
                        if let Some(value) = value.get(key) {
                            self.holds(schema, value)
                                .map_err(|e| format!("{key}: {e}"))?;
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    assert_eq!(wanted, false);
                    let known = schema["properties"].as_object().unwrap();
                    value
                        .as_object()
                        .unwrap()
                        .keys()
                        .all(|key| known.contains_key(key))
                }
                "items" => {
                    for item in value.as_array().into_iter().flatten() {
                        self.holds(wanted, item)?;
                    }
                    true
                }
                "oneOf" => {
                    let ends: Vec<_> = wanted
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|one| self.holds(one, value))
                        .collect();
                    if ends.iter().filter(|end| end.is_ok()).count() != 1 {
                        return Err(format!("not exactly one of: {ends:?}"));
                    }
                    true
                }
                other => return Err(format!("the keyword {other} is not known to this test")),
            };
            if !fine {
                return Err(format!("{value} breaks {keyword}: {wanted}"));
            }
        }
        Ok(())
    }
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type {other}"),
    }
}

/// Date and time of RFC 3339 in UTC.
fn is_rfc3339(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd.ddddddZ";
    text.len() == pattern.len()
        && text
            .chars()
            .zip(pattern.chars())
            .all(|(c, wanted)| match wanted {
                'd' => c.is_ascii_digit(),
                other => c == other,
            })
}
