#!/bin/sh
# Chromium for the page tests: through apt when we may install it, otherwise the tests say why they are skipped.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "正在安装 Chromium 与中文字体（页面测试需要）…"
    apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-noto-cjk >/dev/null && exit 0
fi
if [ "$CI" = true ]; then
    echo "Chromium is missing and cannot be installed" >&2
    exit 1
fi
echo "没有 Chromium，页面测试将跳过（apt-get install chromium fonts-noto-cjk）"
