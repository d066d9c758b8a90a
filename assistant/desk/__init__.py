"""The staff desk: conversations that people take over, what they say and how, complaints, scripts, figures."""
