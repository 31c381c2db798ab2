using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace MsResampler.Server.Hosting.Logging;

/// <summary>Formats the lines of a log.</summary>
internal static class LogLine
{
    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";

    private static readonly JsonWriterOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Formats a line, without its end.</summary>
    public static string Of(LogFormat format, DateTime time, LogLevel level, string category, string message,
        Exception? exception) => format == LogFormat.Json
            ? Json(time, level, category, message, exception) : Plain(time, level, category, message, exception);

    /// <summary>The line about a number of lines that could not be written.</summary>
    public static string Lost(LogFormat format, long count) => Of(format, DateTime.UtcNow, LogLevel.Warning,
        ServerEvents.Category, string.Create(CultureInfo.InvariantCulture,
            $"{count} lines of this log were lost, because they could not be written"), exception: null);

    private static string Plain(DateTime time, LogLevel level, string category, string message, Exception? exception)
    {
        StringBuilder line = new();
        line.Append(time.ToString(TimeFormat, CultureInfo.InvariantCulture)).Append(' ').Append(NameOf(level))
            .Append(' ').Append(category).Append(": ");
        AppendInOneLine(line, message);
        if (exception is not null)
        {
            line.Append(" | ");
            AppendInOneLine(line, exception.ToString());
        }

        return line.ToString();
    }

    /// <summary>Appends text of any origin. Its control characters must not make other lines or colours.</summary>
    private static void AppendInOneLine(StringBuilder line, string text)
    {
        foreach (char character in text)
        {
            if (character == '\n')
                line.Append(" | ");
            else if (!char.IsControl(character))
                line.Append(character);
            else if (character != '\r')
                line.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}");
        }
    }

    private static string Json(DateTime time, LogLevel level, string category, string message, Exception? exception)
    {
        ArrayBufferWriter<byte> buffer = new();
        using Utf8JsonWriter json = new(buffer, s_json);
        json.WriteStartObject();
        json.WriteString("time", time.ToString(TimeFormat, CultureInfo.InvariantCulture));
        json.WriteString("level", NameOf(level));
        json.WriteString("category", category);
        json.WriteString("message", message);
        if (exception is not null)
            json.WriteString("exception", exception.ToString());
        if (Activity.Current is { } activity)
        {
            json.WriteString("trace_id", activity.TraceId.ToHexString());
            json.WriteString("span_id", activity.SpanId.ToHexString());
        }

        json.WriteEndObject();
        json.Flush();
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static string NameOf(LogLevel level) => level switch
    {
        LogLevel.Trace => "trace",
        LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warning",
        _ => "error",
    };
}
