using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace MsResampler.Cli.Input;

/// <summary>The header of a <c>.npy</c> file, format versions 1.0 to 3.0: a Python dictionary with exactly the keys
/// <c>descr</c>, <c>fortran_order</c> and <c>shape</c>.</summary>
/// <param name="ElementBytes">4 for float32, 2 for float16.</param>
/// <param name="Shape">The extents, outermost first.</param>
/// <param name="DataOffset">The position of the first element in the file.</param>
internal sealed record NpyHeader(int ElementBytes, IReadOnlyList<long> Shape, long DataOffset)
{
    private const int MaxHeaderBytes = 65_536;
    private const int MaxDimensionCount = 32;

    private static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    /// <summary>Reads the header of a file.</summary>
    /// <exception cref="InputException">The header is invalid or not supported.</exception>
    public static NpyHeader Read(string path, SafeFileHandle file)
    {
        byte[] bytes = new byte[Math.Min(RandomAccess.GetLength(file), MaxHeaderBytes + 12)];
        int count = RandomAccess.Read(file, bytes, 0);
        try
        {
            return Parse(bytes.AsSpan(0, count));
        }
        catch (FormatException exception)
        {
            throw new InputException($"{path}: {exception.Message}", exception);
        }
    }

    /// <summary>Parses the first bytes of a file.</summary>
    /// <exception cref="FormatException">The header is invalid or not supported.</exception>
    public static NpyHeader Parse(ReadOnlySpan<byte> bytes)
    {
        if (!bytes.StartsWith(Magic))
            throw new FormatException("this is not a .npy file: it does not start with \\x93NUMPY");
        if (bytes.Length < 10)
            throw new FormatException("the .npy header is cut off");
        (int major, int minor) = (bytes[6], bytes[7]);
        if (major is < 1 or > 3 || minor != 0)
            throw new FormatException($"the .npy format version {major}.{minor} is unknown; expected 1.0, 2.0 or 3.0");
        int prefix = major == 1 ? 10 : 12;
        if (bytes.Length < prefix)
            throw new FormatException("the .npy header is cut off");
        long length = major == 1
            ? BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..])
            : BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]);
        if (length > MaxHeaderBytes)
            throw new FormatException($"the .npy header has {length} bytes; expected at most {MaxHeaderBytes}");
        if (bytes.Length < prefix + length)
            throw new FormatException($"the .npy header is cut off: expected {length} bytes, found " +
                $"{bytes.Length - prefix}");
        return new Parser(Encoding.UTF8.GetString(bytes.Slice(prefix, (int)length))).Parse(prefix + length);
    }

    private sealed class Parser(string text)
    {
        private int _position;

        public NpyHeader Parse(long dataOffset)
        {
            int? elementBytes = null;
            bool? isFortranOrder = null;
            List<long>? shape = null;
            Expect('{');
            while (!TryTake('}'))
            {
                string key = QuotedString();
                Expect(':');
                switch (key)
                {
                    case "descr" when elementBytes is null:
                        elementBytes = ElementType();
                        break;
                    case "fortran_order" when isFortranOrder is null:
                        isFortranOrder = Boolean();
                        break;
                    case "shape" when shape is null:
                        shape = Shape();
                        break;
                    default:
                        throw new FormatException($"the .npy header has a repeated or unknown key '{key}'");
                }

                if (TryTake(','))
                    continue;
                Expect('}');
                break;
            }

            SkipSpace();
            if (_position != text.Length)
                throw Unexpected("the end of the header");
            if (isFortranOrder == true)
                throw new FormatException("the array is in Fortran order; save numpy.ascontiguousarray(x) instead");
            if (elementBytes is null || isFortranOrder is null || shape is null)
                throw new FormatException("the .npy header lacks one of 'descr', 'fortran_order' and 'shape'");
            return new NpyHeader(elementBytes.Value, shape, dataOffset);
        }

        private int ElementType()
        {
            SkipSpace();
            if (_position < text.Length && text[_position] is '[' or '(')
                throw new FormatException("the array is structured; expected '<f4' (float32) or '<f2' (float16)");
            return QuotedString() switch
            {
                "<f4" => sizeof(float),
                "<f2" => 2,
                var other => throw new FormatException($"the type of the array is '{other}'; expected '<f4' " +
                    "(float32) or '<f2' (float16): save x.astype('<f4') instead"),
            };
        }

        private bool Boolean()
        {
            SkipSpace();
            foreach ((string word, bool value) in (ReadOnlySpan<(string, bool)>)
                [("True", true), ("False", false)])
            {
                if (string.CompareOrdinal(text, _position, word, 0, word.Length) == 0)
                {
                    _position += word.Length;
                    return value;
                }
            }

            throw Unexpected("True or False");
        }

        private List<long> Shape()
        {
            List<long> extents = [];
            Expect('(');
            while (!TryTake(')'))
            {
                if (extents.Count == MaxDimensionCount)
                    throw new FormatException($"the .npy shape has more than {MaxDimensionCount} dimensions");
                int start = _position;
                while (_position < text.Length && char.IsAsciiDigit(text[_position]))
                    _position++;
                if (!long.TryParse(text.AsSpan(start, _position - start), NumberStyles.None,
                    CultureInfo.InvariantCulture, out long extent))
                {
                    _position = start;
                    throw Unexpected("an extent");
                }

                extents.Add(extent);
                if (TryTake(','))
                {
                    SkipSpace();
                    continue;
                }

                if (extents.Count == 1)
                    throw Unexpected("a comma: in Python (5,) is a shape and (5) is a number");
                Expect(')');
                break;
            }

            return extents;
        }

        private string QuotedString()
        {
            SkipSpace();
            if (_position == text.Length || text[_position] is not ('\'' or '"'))
                throw Unexpected("a quoted string");
            int end = text.IndexOf(text[_position], _position + 1);
            if (end < 0)
                throw Unexpected("a closed string");
            string value = text[(_position + 1)..end];
            _position = end + 1;
            return value;
        }

        private bool TryTake(char expected)
        {
            SkipSpace();
            if (_position == text.Length || text[_position] != expected)
                return false;
            _position++;
            return true;
        }

        private void Expect(char expected)
        {
            if (!TryTake(expected))
                throw Unexpected($"'{expected}'");
        }

        private void SkipSpace()
        {
            while (_position < text.Length && text[_position] is ' ' or '\n' or '\t' or '\r')
                _position++;
        }

        private FormatException Unexpected(string expected)
            => new($"the .npy header is malformed at byte {_position}: " +
            $"expected {expected}, found {(_position < text.Length ? $"'{text[_position]}'" : "the end")}");
    }
}
