"""WeCom: 微信客服 for customers, the self-built app and 智能机器人 for staff, the sidebar beside a customer's chat."""
