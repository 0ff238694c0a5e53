// Vercel AI SDK: an agent that triages replies and answers one, over HTTP.
//
//   mcp-instantly serve --sandbox --transport http --port 8000
//   npm install && node agent.mjs http://127.0.0.1:8000/mcp
//
// The model is a script, so that this runs anywhere; put one of a provider in its place. With the sandbox nothing is
// sent: start the server without --sandbox to work in your own workspace.
import { createMCPClient } from '@ai-sdk/mcp'
import { generateText, stepCountIs } from 'ai'
import { MockLanguageModelV3 } from 'ai/test'

const url = process.argv[2] ?? 'http://127.0.0.1:8000/mcp'

/** Triages, answers whoever asks what it costs, and says what it did. */
const scripted = new MockLanguageModelV3({
  doGenerate: async ({ prompt }) => {
    const results = prompt
      .filter((message) => message.role === 'tool')
      .map((message) => JSON.parse(textOf(message.content[0].output)))
    return {
      content: [nextStep(results)],
      finishReason: { unified: results.length < 2 ? 'tool-calls' : 'stop', raw: undefined },
      usage: { inputTokens: {}, outputTokens: {} },
      warnings: [],
    }
  },
})

function nextStep(results) {
  if (results.length === 0) return called('triage_replies', {})
  if (results.length === 1) {
    const asking = Object.values(results[0].groups).flat().find((mail) => mail.text.includes('cost'))
    const body = { text: 'Hello, twelve seats are 240 euros a month.' }
    return called('handle_reply', { email_id: asking.email_id, body, interest_value: 1 })
  }
  return { type: 'text', text: `I answered ${results[1].lead}: ${results[1].answer.outcome}.` }
}

const called = (toolName, input) => ({
  type: 'tool-call', toolCallId: `call-${toolName}`, toolName, input: JSON.stringify(input),
})

const textOf = (output) => (output.type === 'content' ? output.value[0].text : output.value.content[0].text)

// Where the server asks for tokens: headers: { Authorization: `Bearer ${token}` }
const client = await createMCPClient({ transport: { type: 'http', url } })
try {
  const { triage_replies, handle_reply } = await client.tools()
  const { text } = await generateText({
    model: scripted,
    tools: { triage_replies, handle_reply },
    stopWhen: stepCountIs(5),
    prompt: 'Go through my replies.',
  })
  console.log(text)
} finally {
  await client.close()
}
