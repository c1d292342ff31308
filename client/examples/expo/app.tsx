import type { Message } from '@onyx-sync/client'
import * as sync from '@onyx-sync/client/react'
import { memo, useState } from 'react'
import { Button, FlatList, SafeAreaView, StyleSheet, Text, TextInput, View } from 'react-native'
import { openDevice } from './device'

const device = openDevice()

export function App() {
  return (
    <sync.SyncProvider client={device}>
      <SafeAreaView style={styles.screen}>
        <Chats />
      </SafeAreaView>
    </sync.SyncProvider>
  )
}

function Chats() {
  const client = sync.useSyncClient()
  const { chats } = sync.useChats()
  const [id, setId] = useState<string>()
  const network = sync.useSyncStatus(({ problem, connection }) => problem?.message ?? connection)
  const unsaved = sync.useUnsaved()
  const create = async () => setId((await client?.chats.create())?.id)
  if (id !== undefined) return <ChatView id={id} close={() => setId(undefined)} />
  return (
    <View style={styles.screen}>
      <Button title="New chat" disabled={client === undefined} onPress={create} />
      <FlatList
        data={chats}
        keyExtractor={({ address }) => address}
        renderItem={({ item }) => (
          <Button
            title={`${item.title || 'Untitled'} (${item.messageCount})`}
            onPress={() => setId(item.id)}
          />
        )}
      />
      <Text accessibilityLiveRegion="polite">{`${network}, ${unsaved?.message ?? 'all saved'}`}</Text>
    </View>
  )
}

function ChatView({ id, close }: { readonly id: string; close(): void }) {
  const { chat, title, error, canWrite } = sync.useChat(id)
  const { messages, hasOlder, loadOlder } = sync.useMessages(id, { last: 50 })
  const [text, setText] = useState('')

  async function send() {
    setText('')
    await chat?.send(text) // on disk here, sent when there is a network
    if (title === '') await chat?.suggestTitle(text.slice(0, 40))
    const reply = chat?.stream()
    for (const word of `You said: ${text}`.split(/(?= )/)) reply?.push(word) // your model here
    await reply?.complete()
  }

  return (
    <View style={styles.screen}>
      <Button title="All chats" onPress={close} />
      <Text style={styles.title}>{title || 'Untitled'}</Text>
      {error === undefined ? null : <Text accessibilityRole="alert">{error.message}</Text>}
      <FlatList
        inverted
        data={[...messages].reverse()}
        keyExtractor={(message) => message.id}
        renderItem={({ item }) => <Row message={item} />}
        onEndReached={() => hasOlder && loadOlder()}
      />
      <TextInput
        accessibilityLabel="Message"
        style={styles.input}
        value={text}
        editable={canWrite}
        onChangeText={setText}
        onSubmitEditing={send}
      />
    </View>
  )
}

/** Rendered again only when its own message changes, whatever streams below. */
const Row = memo(({ message }: { readonly message: Message }) => (
  <Text style={styles.row}>{`${message.role}: ${message.content}`}</Text>
))

const styles = StyleSheet.create({
  screen: { flex: 1, padding: 12 },
  title: { fontSize: 20, fontWeight: '600' },
  row: { paddingVertical: 6 },
  input: { borderWidth: 1, borderRadius: 8, padding: 10 },
})
