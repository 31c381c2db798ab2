using System.Buffers;
using System.Text.Unicode;
using Google.Protobuf.Reflection;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Grpc;

/// <summary>Estimates what a message occupies once it is parsed, from its bytes alone. Two bytes of a message can
/// become an object of hundreds of bytes, so its length says little.</summary>
/// <remarks>It never estimates less than what the parser allocates; a test measures that. It rejects what the parser
/// would reject, because an exception of the parser has no clear status.</remarks>
internal static class MessageCost
{
    /// <summary>An object of the parser with its place in a list or a dictionary, and that of an unknown
    /// field.</summary>
    private const int ObjectBytes = 768;

    /// <summary>A value of 8 bytes in a list that has doubled its array again and again.</summary>
    private const int ValueBytes = 32;

    private const int MaxStringBytes = 1 << 20;

    /// <summary>Estimates the bytes of a parsed message.</summary>
    /// <param name="message">The message.</param>
    /// <param name="type">Its type.</param>
    /// <param name="limit">The number of bytes beyond which the exact number does not matter.</param>
    /// <exception cref="ServerException">The bytes are not a message.</exception>
    public static long Of(in ReadOnlySequence<byte> message, MessageDescriptor type, long limit = long.MaxValue)
    {
        SequenceReader<byte> reader = new(message);
        long cost = ObjectBytes;
        Add(ref reader, message.Length, type, limit, ref cost);
        return cost;
    }

    private static void Add(ref SequenceReader<byte> reader, long end, MessageDescriptor type, long limit,
        ref long cost)
    {
        while (reader.Consumed < end && cost <= limit)
        {
            ulong tag = ReadVarint(ref reader, end);
            if (tag > uint.MaxValue || tag >> 3 == 0)
                throw NotAMessage("a field has no number");
            FieldDescriptor? field = type.FindFieldByNumber((int)(tag >> 3));
            switch (tag & 7)
            {
                case 0:
                    ReadVarint(ref reader, end);
                    cost += field is null ? ObjectBytes : ValueBytes;
                    break;
                case 1:
                    Skip(ref reader, 8, end);
                    cost += field is null ? ObjectBytes : ValueBytes;
                    break;
                case 2:
                    AddBytes(ref reader, end, field, limit, ref cost);
                    break;
                case 5:
                    Skip(ref reader, 4, end);
                    cost += field is null ? ObjectBytes : ValueBytes;
                    break;
                default:
                    throw NotAMessage($"a field has the wire type {tag & 7}");
            }
        }

        if (cost <= limit && reader.Consumed != end)
            throw NotAMessage("a field exceeds its message");
    }

    /// <summary>Adds a field that has a length: a message, a string, bytes or packed numbers.</summary>
    private static void AddBytes(ref SequenceReader<byte> reader, long end, FieldDescriptor? field, long limit,
        ref long cost)
    {
        ulong length = ReadVarint(ref reader, end);
        if (length > (ulong)(end - reader.Consumed))
            throw NotAMessage($"a field of {length} bytes is in a message that has only {end - reader.Consumed} more");
        long count = (long)length;
        long last = reader.Consumed + count;
        switch (field?.FieldType)
        {
            case FieldType.Message:
                cost += ObjectBytes;
                Add(ref reader, last, field.MessageType, limit, ref cost);
                return;
            case FieldType.String:
                CheckString(reader.UnreadSequence.Slice(0, count), field);
                cost += ObjectBytes + (3 * count);
                break;
            case FieldType.Float or FieldType.Double when field.IsRepeated:
                CheckLength(count, field);
                cost += ValueBytes + (4 * count);
                break;
            case FieldType.Bool or FieldType.Int32 or FieldType.UInt32 or FieldType.Int64 or FieldType.UInt64
                when field.IsRepeated:
                cost += ValueBytes;
                for (; reader.Consumed < last && cost <= limit; cost += ValueBytes)
                    ReadVarint(ref reader, last);
                return;
            default:
                cost += ObjectBytes + count;
                break;
        }

        reader.Advance(count);
    }

    private static void CheckString(in ReadOnlySequence<byte> text, FieldDescriptor field)
    {
        if (text.Length > MaxStringBytes)
            throw NotAMessage($"the string {field.Name} has {text.Length} bytes, at most {MaxStringBytes} are allowed");
        if (!Utf8.IsValid(text.IsSingleSegment ? text.FirstSpan : text.ToArray()))
            throw NotAMessage($"the string {field.Name} is not UTF-8");
    }

    private static void CheckLength(long count, FieldDescriptor field)
    {
        int size = field.FieldType == FieldType.Float ? sizeof(float) : sizeof(double);
        if (count % size != 0)
            throw NotAMessage($"{field.Name} has {count} bytes, which is no multiple of {size}");
    }

    private static ulong ReadVarint(ref SequenceReader<byte> reader, long end)
    {
        ulong value = 0;
        for (int shift = 0; shift < 64 && reader.Consumed < end; shift += 7)
        {
            if (!reader.TryRead(out byte part))
                break;
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
                return value;
        }

        throw NotAMessage("a number does not end");
    }

    private static void Skip(ref SequenceReader<byte> reader, int count, long end)
    {
        if (count > end - reader.Consumed)
            throw NotAMessage("a number exceeds its message");
        reader.Advance(count);
    }

    private static ServerException NotAMessage(string reason) => new(ErrorKind.InvalidRequest, "expected a message of "
        + $"the Open Inference Protocol or of the health protocol, found other bytes: {reason}");
}
