/** The console's icons: one set (Lucide), one meaning each. */
import {
  Activity, ArrowLeftRight, BadgeCheck, ChartColumn, Check, ChevronDown, ChevronLeft, ChevronRight, CircleAlert, CircleCheck, CircleX, ClipboardCheck, ClipboardList, Clock,
  Columns2, Copy, Download, Eye, EyeOff, FileBadge, Fingerprint, History, Info, KeyRound, LayoutDashboard, LoaderCircle, Lock, LogOut, Maximize, MessageSquareText, Minimize,
  Moon, Plus, RefreshCw, RotateCw, ScrollText, Search, ShieldCheck, ShieldX, Smartphone, Sun, SunMoon, TriangleAlert, UserCheck, UserCog, UserRound, Users, Webhook, X, ZoomIn, ZoomOut,
} from '@lucide/vue'

export const icons = {
  activity: Activity, compare: ArrowLeftRight, verified: BadgeCheck, chart: ChartColumn, check: Check, down: ChevronDown, back: ChevronLeft, next: ChevronRight, alert: CircleAlert,
  done: CircleCheck, failed: CircleX, review: ClipboardCheck, list: ClipboardList, clock: Clock, columns: Columns2, copy: Copy, download: Download, eye: Eye, hidden: EyeOff,
  certificate: FileBadge, passkey: Fingerprint, history: History, info: Info, key: KeyRound, overview: LayoutDashboard, loading: LoaderCircle, lock: Lock, logout: LogOut,
  full: Maximize, sms: MessageSquareText, small: Minimize, moon: Moon, plus: Plus, refresh: RefreshCw, rotate: RotateCw, audit: ScrollText, search: Search, shield: ShieldCheck,
  forbidden: ShieldX, device: Smartphone, sun: Sun, auto: SunMoon, warning: TriangleAlert, second: UserCheck, officer: UserCog, person: UserRound, people: Users,
  callback: Webhook, close: X, larger: ZoomIn, smaller: ZoomOut,
} as const

export type IconName = keyof typeof icons
