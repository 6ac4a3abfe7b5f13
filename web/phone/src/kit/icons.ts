/** The icons of the app: one set (Lucide), one meaning each. */
import {
  ALargeSmall, AlarmClock, ArrowLeftRight, ArrowRight, BadgeCheck, Bell, Building, CalendarClock, Camera, Check, ChevronDown, ChevronLeft, ChevronRight, Circle, CircleAlert,
  CircleCheck, CircleMinus, CircleQuestionMark, CircleX, Clock, Copy, CreditCard, Delete, Download, Ellipsis, Eye, EyeOff, FileBadge, FileCheck, FileText, Flashlight, Globe, Hand,
  Headphones, History, House, IdCard, Image, Info, KeyRound, Keyboard, Landmark, LoaderCircle, Lock, LogIn, LogOut, MapPin, MessageSquareText, Monitor,
  Moon, PenLine, Phone, Plus, ReceiptText, RefreshCw, ScanFace, ScanLine, Search, ShieldCheck, ShieldPlus, SlidersHorizontal, Smartphone, Stamp, Sun,
  Trash2, TriangleAlert, Upload, UserMinus, UserPlus, UserRound, Users, Video, Wallet, WifiOff, Wrench, X,
} from '@lucide/vue'

export const icons = {
  text: ALargeSmall, alarm: AlarmClock, right: ArrowRight, verified: BadgeCheck, bell: Bell, calendar: CalendarClock, check: Check,
  down: ChevronDown, back: ChevronLeft, next: ChevronRight, circle: Circle, alert: CircleAlert, done: CircleCheck, minus: CircleMinus,
  question: CircleQuestionMark, failed: CircleX, clock: Clock, copy: Copy, card: CreditCard, erase: Delete, download: Download, more: Ellipsis, eye: Eye, hidden: EyeOff,
  certificate: FileBadge, document: FileText, torch: Flashlight, globe: Globe, hand: Hand, support: Headphones, history: History, home: House, id: IdCard,
  image: Image, info: Info, pin: KeyRound, keyboard: Keyboard, platform: Landmark, loading: LoaderCircle, lock: Lock, login: LogIn, logout: LogOut,
  place: MapPin, sms: MessageSquareText, computer: Monitor, moon: Moon, sign: PenLine, phone: Phone, plus: Plus, order: ReceiptText, refresh: RefreshCw,
  face: ScanFace, scan: ScanLine, search: Search, shield: ShieldCheck, buy: ShieldPlus, filter: SlidersHorizontal, device: Smartphone, seal: Stamp,
  sun: Sun, trash: Trash2, warning: TriangleAlert, upload: Upload, person: UserRound, people: Users, video: Video, wallet: Wallet, offline: WifiOff,
  repair: Wrench, close: X, enterprise: Building, camera: Camera, letter: FileCheck, transfer: ArrowLeftRight, invite: UserPlus, remove: UserMinus,
} as const

export type IconName = keyof typeof icons
