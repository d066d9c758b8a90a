/* Before the first paint: what this browser was told to remember of size and theme. */
(function () {
  try {
    var kept = JSON.parse(localStorage.getItem("heshi.look") || "{}");
    var root = document.documentElement;
    if (kept.theme === "dark" || kept.theme === "light") root.dataset.theme = kept.theme;
    if (kept.size === "large") root.dataset.size = "large";
  } catch (error) { /* storage is closed: the defaults hold */ }
})();
