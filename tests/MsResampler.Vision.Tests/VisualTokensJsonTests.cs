using System.Text.Json;
using Microsoft.Extensions.AI;

namespace MsResampler.Vision.Tests;

public class VisualTokensJsonTests
{
    private static readonly float[] s_values = [0f, -0f, float.NaN, float.PositiveInfinity, float.Epsilon, 1f / 3f];

    [Test]
    public void Values_keep_their_bits_and_fields_their_values()
    {
        VisualTokens tokens = new(s_values, 3, 2, new PatchGrid(5, 7))
        {
            ModelId = "clip",
            CreatedAt = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(6)),
            AdditionalProperties = new() { ["photo"] = "a.jpg" },
        };

        VisualTokens read = JsonSerializer.Deserialize<VisualTokens>(
            JsonSerializer.Serialize(tokens, AIJsonUtilities.DefaultOptions), AIJsonUtilities.DefaultOptions)!;

        using (Assert.EnterMultipleScope())
        {
            Assert.That(Bits(read), Is.EqualTo(Bits(tokens)));
            Assert.That((read.Count, read.Width, read.Grid), Is.EqualTo((3, 2, new PatchGrid(5, 7))));
            Assert.That((read.ModelId, read.CreatedAt), Is.EqualTo((tokens.ModelId, tokens.CreatedAt)));
            Assert.That(read.AdditionalProperties!["photo"]!.ToString(), Is.EqualTo("a.jpg"));
        }
    }

    [Test]
    public void Values_are_little_endian()
        => Assert.That(JsonSerializer.Serialize(new VisualTokens(new[] { 1f }, 1, 1, new PatchGrid(2, 3))),
            Is.EqualTo("""{"count":1,"width":1,"rows":2,"columns":3,"tokens":"AACAPw=="}"""));

    [TestCase("[]", "expected an object, found Array")]
    [TestCase("{}", "expected a field 'count', found none")]
    [TestCase("""{"count":-1}""", "expected a number of at least 0 in 'count', found -1")]
    [TestCase("""{"count":1.5}""", "found 1.5")]
    [TestCase("""{"count":1,"width":1}""", "expected a field 'tokens'")]
    [TestCase("""{"count":1,"width":1,"tokens":[1]}""", "expected Base64 in 'tokens', found Array")]
    [TestCase("""{"count":1,"width":1,"tokens":"AACA"}""", "expected 1 x 1 values of 4 bytes in 'tokens', found 3")]
    [TestCase("""{"count":2147483647,"width":2147483647,"tokens":"AACAPw=="}""", "found 4 bytes")]
    [TestCase("""{"count":1,"width":1,"tokens":"AACAPw=="}""", "expected a field 'rows'")]
    public void Damaged_text_is_an_error_that_names_the_field(string json, string message)
        => Assert.That(() => JsonSerializer.Deserialize<VisualTokens>(json),
            Throws.TypeOf<JsonException>().With.Message.Contains(message));

    private static int[] Bits(VisualTokens tokens)
        => [.. tokens.Tokens.ToArray().Select(BitConverter.SingleToInt32Bits)];
}
