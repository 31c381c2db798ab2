using System.Text;

namespace MsResampler.Cli.Output;

/// <summary>A writer that may fail: what happens then is the caller's choice.</summary>
/// <param name="inner">Where to write.</param>
/// <param name="translate">The exception to throw in place of one of the inner writer; null for none.</param>
internal sealed class CheckedWriter(TextWriter inner, Func<Exception, Exception?> translate) : TextWriter
{
    public override Encoding Encoding => inner.Encoding;

    public override void Write(char value) => Try(() => inner.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => inner.Write(buffer, index, count));

    public override void Write(string? value) => Try(() => inner.Write(value));

    public override void WriteLine() => Try(inner.WriteLine);

    public override void WriteLine(string? value) => Try(() => inner.WriteLine(value));

    public override void Flush() => Try(inner.Flush);

    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException
            or ObjectDisposedException)
        {
            if (translate(exception) is { } translated)
                throw translated;
        }
    }
}
