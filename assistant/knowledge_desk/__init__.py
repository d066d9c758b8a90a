"""The life of materials: drafts, approval by another person, schedule, withdrawal, preview, gaps."""
