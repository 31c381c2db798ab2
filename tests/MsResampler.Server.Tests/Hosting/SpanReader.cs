using Google.Protobuf;

namespace MsResampler.Server.Tests.Hosting;

/// <summary>A span of a trace, as a collector of OpenTelemetry gets it.</summary>
internal sealed record Span(string Name, string TraceId, string SpanId, string ParentId, IReadOnlyList<string> Links);

/// <summary>Reads the spans of an export request. The numbers of the fields are those of the published
/// protocol.</summary>
internal static class SpanReader
{
    private const int ResourceSpans = 1;
    private const int ScopeSpans = 2;
    private const int Spans = 2;
    private const int TraceId = 1;
    private const int SpanId = 2;
    private const int ParentId = 4;
    private const int Name = 5;
    private const int Link = 13;

    public static IEnumerable<Span> Read(byte[] request)
        => from resource in Fields(request, ResourceSpans)
           from scope in Fields(resource, ScopeSpans)
           from span in Fields(scope, Spans)
           select new Span(ByteString.CopyFrom(Fields(span, Name).First()).ToStringUtf8(), Hex(span, TraceId),
               Hex(span, SpanId), Hex(span, ParentId), [.. Fields(span, Link).Select(link => Hex(link, TraceId))]);

    private static string Hex(byte[] message, int field)
        => Convert.ToHexStringLower(Fields(message, field).FirstOrDefault() ?? []);

    private static List<byte[]> Fields(byte[] message, int field)
    {
        List<byte[]> found = [];
        using CodedInputStream input = new(message);
        while (input.ReadTag() is var tag and not 0)
        {
            if (WireFormat.GetTagFieldNumber(tag) == field
                && WireFormat.GetTagWireType(tag) == WireFormat.WireType.LengthDelimited)
                found.Add(input.ReadBytes().ToByteArray());
            else
                input.SkipLastField();
        }

        return found;
    }
}
