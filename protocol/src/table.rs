//! The macros behind the tables. Read a table, not this file.

/// Declares structures whose layout is their fields in order.
macro_rules! wire_struct {
    ($($(#[$meta:meta])* $vis:vis struct $name:ident {
        $($(#[$field_meta:meta])* $field:ident : $type:ty),* $(,)?
    })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        $vis struct $name { $($(#[$field_meta])* pub $field: $type),* }

        #[cfg(any(test, feature = "sample"))]
        impl $crate::sample::Sample for $name {
            fn sample(random: &mut $crate::sample::Random) -> Self {
                Self { $($field: $crate::sample::Sample::sample(random)),* }
            }
        }

        impl $crate::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $($crate::wire::Wire::put(&self.$field, out);)*
            }

            fn take(input: &[u8]) -> $crate::wire::Parsed<'_, Self> {
                $(let (input, $field) = <$type as $crate::wire::Wire>::take(input)?;)*
                Ok((input, Self { $($field),* }))
            }
        }
    )*};
}

/// Declares bit sets. Bits without a name survive.
macro_rules! wire_flags {
    ($($(#[$meta:meta])* $vis:vis struct $name:ident: $int:ty {
        $($(#[$flag_meta:ident $($args:tt)*])* const $flag:ident = $value:expr;)*
    })*) => {$(
        bitflags::bitflags! {
            $(#[$meta])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
            $vis struct $name: $int {
                $($(#[$flag_meta $($args)*])* const $flag = $value;)*
                const _ = !0;
            }
        }

        #[cfg(any(test, feature = "sample"))]
        impl $crate::sample::Sample for $name {
            fn sample(random: &mut $crate::sample::Random) -> Self {
                Self::from_bits_retain($crate::sample::Sample::sample(random))
            }
        }

        impl $crate::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                self.bits().put(out);
            }

            fn take(input: &[u8]) -> $crate::wire::Parsed<'_, Self> {
                let (rest, bits) = <$int>::take(input)?;
                Ok((rest, Self::from_bits_retain(bits)))
            }
        }
    )*};
}

/// Declares named numbers. Numbers without a name survive.
macro_rules! wire_enum {
    ($($(#[$meta:meta])* $vis:vis struct $name:ident: $int:ty {
        $($(#[$value_meta:meta])* $value:ident = $number:literal, $text:literal;)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        $vis struct $name(pub $int);

        impl $name {
            $($(#[$value_meta])* pub const $value: Self = Self($number);)*

            /// The values that have a name.
            pub const NAMED: &'static [(Self, &'static str)] = &[$((Self::$value, $text)),*];

            /// The value's name.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self { $(Self::$value => Some($text),)* _ => None }
            }
        }

        #[cfg(any(test, feature = "sample"))]
        impl $crate::sample::Sample for $name {
            fn sample(random: &mut $crate::sample::Random) -> Self {
                Self($crate::sample::Sample::sample(random))
            }
        }

        impl $crate::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }

            fn take(input: &[u8]) -> $crate::wire::Parsed<'_, Self> {
                let (rest, value) = <$int>::take(input)?;
                Ok((rest, Self(value)))
            }
        }
    )*};
}

/// Declares the controls: a marker type each, the requests, the replies and the table of all.
macro_rules! controls {
    (live {$(
        $(#[$of:meta])*
        $service:ident $requests:ident {
            $($(#[$meta:meta])* $code:literal $name:ident $upstream:literal:
                $request:ty => $reply:ty, $rest:ident;)*
        }
    )*}
    obsolete {
        $($old_code:literal $old:literal $(instead $hint:literal)?;)*
    }) => {
        /// Who answers a control.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Service { $($(#[$of])* $service),* }

        $(
            $(#[$of])*
            #[derive(Debug, Clone, PartialEq, Eq)]
            #[allow(missing_docs, reason = "the marker types of the same names carry the text")]
            pub enum $requests { $($name($request)),* }
        )*

        /// A control's request, by the service that answers it.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum ForService { $($(#[$of])* $service($requests)),* }

        impl Request {
            /// The same, as the service that answers it sees it.
            #[must_use]
            pub fn for_service(self) -> ForService {
                match self {
                    $($(Self::$name(request) => ForService::$service($requests::$name(request)),)*)*
                }
            }
        }

        $($(
            $(#[$meta])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub struct $name;

            impl Control for $name {
                const CODE: u32 = $code;
                const NAME: &'static str = $upstream;
                type Request = $request;
                type Reply = $reply;

                fn take_request(body: &[u8]) -> Result<Self::Request, WireError> {
                    Rest::$rest.take(body)
                }

                fn into_request(request: Self::Request) -> Request {
                    Request::$name(request)
                }
            }
        )*)*

        /// A control's request, by control.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the marker types of the same names carry the text")]
        pub enum Request { $($($name($request)),*),* }

        #[cfg(any(test, feature = "sample"))]
        impl Request {
            /// A random request to control `code`; none for a control that is not live.
            pub fn sample(code: u32, random: &mut $crate::sample::Random) -> Option<Self> {
                match code {
                    $($($code => Some(Self::$name($crate::sample::Sample::sample(random))),)*)*
                    _ => None,
                }
            }
        }

        impl Request {
            /// The control's number.
            #[must_use]
            pub fn code(&self) -> u32 {
                match self { $($(Self::$name(_) => $code),*),* }
            }

            /// The control's name as upstream writes it.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $($(Self::$name(_) => $upstream),*),* }
            }

            /// Appends the request's payload.
            pub fn put(&self, out: &mut Vec<u8>) {
                match self { $($(Self::$name(request) => request.put(out)),*),* }
            }

            /// Reads the payload of a request to control `code`.
            ///
            /// # Errors
            /// [`WireError::Opcode`] for a control that is not live, else what is wrong with it.
            pub fn take(code: u32, body: &[u8]) -> Result<Self, WireError> {
                match code {
                    $($($code => $name::take_request(body).map(Self::$name),)*)*
                    _ => Err(WireError::Opcode(code)),
                }
            }
        }

        /// The data of a control's successful reply, by control.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the marker types of the same names carry the text")]
        #[allow(clippy::large_enum_variant, reason = "short-lived; counters are asked for rarely")]
        pub enum Reply { $($($name($reply)),*),* }

        #[cfg(any(test, feature = "sample"))]
        impl Reply {
            /// A random reply of control `code`; none for a control that is not live.
            pub fn sample(code: u32, random: &mut $crate::sample::Random) -> Option<Self> {
                match code {
                    $($($code => Some(Self::$name($crate::sample::Sample::sample(random))),)*)*
                    _ => None,
                }
            }
        }

        impl Reply {
            /// The control's number.
            #[must_use]
            pub fn code(&self) -> u32 {
                match self { $($(Self::$name(_) => $code),*),* }
            }

            /// Appends the reply's payload.
            pub fn put(&self, out: &mut Vec<u8>) {
                match self { $($(Self::$name(reply) => reply.put(out)),*),* }
            }

            /// Reads the payload of a successful reply to control `code`.
            ///
            /// # Errors
            /// [`WireError::Opcode`] for a control that is not live, else what is wrong with it.
            pub fn take(code: u32, body: &[u8]) -> Result<Self, WireError> {
                match code {
                    $($($code => all::<$reply>(body).map(Self::$name),)*)*
                    _ => Err(WireError::Opcode(code)),
                }
            }
        }

        /// Every control that has a name, live ones first.
        pub const TABLE: &[Row] = &[
            $($(Row {
                code: $code,
                name: $upstream,
                life: Life::Live,
                service: Some(Service::$service),
                request: stringify!($request),
                reply: stringify!($reply),
            },)*)*
            $(Row {
                code: $old_code,
                name: $old,
                life: Life::Obsolete { instead: [$($hint)?].first().copied() },
                service: None,
                request: "",
                reply: "",
            },)*
        ];
    };
}
